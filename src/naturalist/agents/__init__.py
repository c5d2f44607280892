"""What programs that act for a person may do: look at everything, and propose decisions.

`looking` and `proposing` are plain functions; `server` offers them by the Model Context Protocol.
No function here changes a picture, the ledger, a table or what is published.
"""
