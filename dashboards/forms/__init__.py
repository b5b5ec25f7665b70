"""Forms outside Streamlit: the plain page, the POST that counts, the password asked once more."""
