"""What the tasks of a cluster tell the process that started them."""

from __future__ import annotations

from typing import Any

from grokscope.sweeps.board import Place


class Hub:
    """An actor on the node of the parent: what tasks tell of their progress. It dies with the parent."""

    def __init__(self) -> None:
        self._news: dict[str, tuple[Any, ...]] = {}

    def tell(self, name: str, *news: Any) -> None:
        """How a run stands, its step, accuracy, and steps per second."""
        self._news[name] = news

    def news(self) -> dict[str, tuple[Any, ...]]:
        """What has been told since the last call."""
        news, self._news = self._news, {}
        return news


def standing(place: Place) -> tuple[Any, ...]:
    """What is told of a run (see `Hub.tell`)."""
    return place.standing, place.step, place.accuracy, place.rate


def answer(sent: Any) -> Any:
    """What an actor's method returns. Not by `ray.get`: a task that waits in it lends its CPU to one more task."""
    return sent.future().result()
