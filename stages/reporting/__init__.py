"""From the result files of a study to tables, figures and a report in Markdown."""
