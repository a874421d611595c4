"""The report of a period: what is gathered, how it is drawn, and the page that stands alone."""
