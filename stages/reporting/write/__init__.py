"""Tables, figures and text as HTML, Markdown and LaTeX."""
