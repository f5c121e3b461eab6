"""The documentation site: pages out of `docs/`, docstrings, parser and notebooks, and checks of what is built.

__main__           the two commands: `python -m docs_site build` and `python -m docs_site gallery`
analyses           a page per analysis
api                a page per public package
assemble           all pages, the navigation and the settings of the site generator, in one folder
build              from that folder to the site
checks             links, anchors, resources and public names of a built site
commands           the command-line reference, read from the help pages
declared           what this package declares, without what others have declared
docstrings         docstrings as Markdown
draw               the pictures and tables of the gallery
figures            the gallery and a page per figure
griffe_extension   what mkdocstrings is told of shapes and docstrings
links              links of files of the repository, as links of the site
notebooks          notebooks with their stored outputs
pages              a page, and tables in Markdown
record             what the gallery command wrote down
runs               the runs of the gallery
settings           presets, settings and experiments
shown              pictures of the gallery on a page
"""
