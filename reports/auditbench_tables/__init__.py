"""The tables of a run for spreadsheets: a workbook, or files of comma-separated values; a plugin each."""
