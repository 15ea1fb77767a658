"""Images to features: the backbones, the engines that run them frozen, and the store that keeps
what they give."""
