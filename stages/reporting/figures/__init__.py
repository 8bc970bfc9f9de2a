"""The figures of a report, and the data behind the page's charts."""
