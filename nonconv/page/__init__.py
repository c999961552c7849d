"""Interactive pages of finished folders: one HTML file each, self-contained, which opens from file:// without a network.

`make` chooses the page; `run_page`, `sweep_page`, `overlay_page` and `gallery_page` say what is on each; `charts` and
`sweep_charts` describe the pictures with Altair, and Vega draws them in the browser. The templates hold the words, and the
little script beside them joins switches, tables and charts.
"""
