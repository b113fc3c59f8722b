"""The view model: blocks of a run as plain records of text and numbers, without any markup."""
