"""What mkdocstrings is told of this package: shapes as they are written, and docstrings as Markdown.

In a module without `from __future__ import annotations`, griffe takes the shape in `Float[Tensor, "draw"]` for a type
that is named before it is defined, and drops its quotes. Here every annotation with a shape is read again, with strings
as strings.
"""

from __future__ import annotations

import ast
from copy import deepcopy
from typing import Any

import griffe

from docs_site.docstrings import as_markdown


class Docstrings(griffe.Extension):
    """Docstrings as Markdown, and annotations with their shapes in quotes."""

    def on_instance(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """A docstring is written anew as soon as it has been read."""
        if obj.docstring is not None:
            obj.docstring.value = as_markdown(obj.docstring.value)

    def on_function_instance(self, *, node: ast.AST | griffe.ObjectNode, func: griffe.Function, **kwargs: Any) -> None:
        """Annotations of the arguments and of what a function returns."""
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            return
        written = {one.arg: one.annotation for one in ast.walk(node.args) if isinstance(one, ast.arg)}
        for parameter in func.parameters:
            annotation = written.get(parameter.name.lstrip("*"))
            if annotation is not None and has_shape(annotation):
                parameter.annotation = as_it_stands(annotation, func.parent)
        if node.returns is not None and has_shape(node.returns):
            func.returns = as_it_stands(node.returns, func.parent)

    def on_attribute_instance(
        self, *, node: ast.AST | griffe.ObjectNode, attr: griffe.Attribute, **kwargs: Any
    ) -> None:
        """Annotations of attributes, and of properties, which are attributes here."""
        written = node.annotation if isinstance(node, ast.AnnAssign) else getattr(node, "returns", None)
        if written is not None and has_shape(written):
            attr.annotation = as_it_stands(written, attr.parent)


def has_shape(annotation: ast.AST) -> bool:
    """Whether an annotation has the shape of an array in it: a string among the arguments of a type."""
    return any(
        isinstance(one, ast.Subscript) and any(isinstance(part, ast.Constant) for part in ast.walk(one.slice))
        for one in ast.walk(annotation)
    )


def as_it_stands(annotation: ast.AST, parent: Any) -> Any:
    """The annotation as an expression of griffe, with every shape in double quotes and without a space before it."""
    return griffe.safe_get_expression(_Quoted().visit(deepcopy(annotation)), parent=parent, parse_strings=False)


class _Shape(str):
    """A shape, which griffe writes as its `repr`."""

    def __repr__(self) -> str:
        return f'"{self.strip()}"'


class _Quoted(ast.NodeTransformer):
    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        return ast.Constant(_Shape(node.value)) if isinstance(node.value, str) else node
