"""Texts made comparable for scoring: `english`, and tables of one's own. `speechrnn.text` names and loads them."""
