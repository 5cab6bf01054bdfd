"""The Phaseline server: it receives reports, makes pictures, keeps statistics and publishes to subscribers."""
