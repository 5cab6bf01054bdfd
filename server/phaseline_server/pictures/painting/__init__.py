"""The parts of the embedded painter: brief, palette, canvas, compositions and media."""
