"""The Phaseline server: it takes reports in, makes pictures, keeps statistics, and tells every subscriber."""
