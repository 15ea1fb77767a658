"""An augmentation as code for other libraries."""
