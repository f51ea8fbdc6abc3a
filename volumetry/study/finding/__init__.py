"""How traced lesions are found below a folder: what lies there, what names say, which convention it is."""
