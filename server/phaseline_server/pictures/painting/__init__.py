"""What the embedded painter is made of: brief, palette, canvas, compositions, media."""
