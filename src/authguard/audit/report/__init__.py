"""The report of a period as one HTML page: its data, its plots and its sections."""
