"""One file a page, named as in its address; a page asks figures and draws them, and adds nothing up itself."""
