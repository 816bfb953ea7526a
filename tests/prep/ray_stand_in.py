"""A cluster that lives in one process: what of Ray is used, with accidents on request.

Workers are the real ones' interface with made-up scores; every answer, loss and delay is drawn
from a stream of numbers, so that hypothesis can search for an order of accidents that does harm.
"""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from prep.tagging.runtime.cluster.node_worker import Loaded, ShardAnswer, ShardItem


class RayError(Exception):
    pass


class RayTaskError(RayError):
    pass


class RayActorError(RayError):
    pass


class ObjectLostError(RayError):
    pass


def score(content: str) -> float:
    """Return what stands for the scores of a content."""
    return int(content) % 1000 / 1000


class StandIn:
    """The module ``ray``.

    Args:
        nodes: Their resources.
        choose: Returns a number below another: which call is answered, and what happens then.
        deadly: Contents that end the worker which reads them.
        hidden: Contents that no worker finds at its path.
        accidents: How many workers may be lost, and how many answers.
    """

    exceptions = SimpleNamespace(
        RayError=RayError, RayTaskError=RayTaskError, RayActorError=RayActorError
    )
    cloudpickle = SimpleNamespace(register_pickle_by_value=lambda module: None)

    def __init__(
        self,
        nodes: list[dict[str, float]],
        choose: Callable[[int], int],
        *,
        deadly: frozenset[str] = frozenset(),
        hidden: frozenset[str] = frozenset(),
        accidents: int = 0,
    ) -> None:
        self._nodes, self._choose = nodes, choose
        self.deadly, self.hidden, self.accidents = deadly, hidden, accidents
        self.alive: list[_Actor] = []
        self.most_under_way = 0
        self._started: list[_Actor] = []

    def nodes(self) -> list[dict[str, Any]]:
        return [
            {
                "Alive": True,
                "NodeID": f"{number:056x}",  # Ray looks at the form of an id
                "NodeManagerAddress": f"node{number}",
                "Resources": has,
            }
            for number, has in enumerate(self._nodes)
        ]

    def remote(self, _class: type) -> "StandIn":
        return self

    def options(self, **given: Any) -> Any:
        def start() -> _Actor:
            actor = _Actor(self, given)
            self.alive.append(actor)
            return actor

        return SimpleNamespace(remote=start)

    def put(self, value: Any) -> Any:
        return value

    def kill(self, actor: "_Actor") -> None:
        actor.dead = True
        if actor in self.alive:
            self.alive.remove(actor)

    def wait(
        self, calls: list["_Call"], num_returns: int, timeout: float
    ) -> tuple[list["_Call"], list["_Call"]]:
        assert num_returns == 1
        scoring = [call.actor for call in calls if call.name == "score"]
        self.most_under_way = max([self.most_under_way, *map(scoring.count, scoring)])
        return [calls[self._choose(len(calls))]], []

    def get(self, call: "_Call") -> Any:
        actor = call.actor
        if actor.dead:
            raise RayActorError("it is dead")
        fate = self._choose(8) if self.accidents else 7
        if fate < 2:
            self.accidents -= 1
            if fate == 0:
                actor.dead = True
                raise RayActorError("it was killed")
            if call.name == "score":
                raise ObjectLostError("the answer was lost")
        return actor.answer(call)


class _Call:
    def __init__(self, actor: "_Actor", name: str, arguments: tuple[Any, ...]) -> None:
        self.actor, self.name, self.arguments = actor, name, arguments


class _Actor:
    def __init__(self, ray: StandIn, given: dict[str, Any]) -> None:
        self.ray, self.given, self.dead = ray, given, False
        self.check = SimpleNamespace(remote=lambda version: _Call(self, "check", (version,)))
        self.call = SimpleNamespace(remote=lambda name, *rest: _Call(self, name, rest))

    def answer(self, call: _Call) -> Any:
        if call.name == "check":
            return ""
        if call.name == "load":
            return Loaded("CPUExecutionProvider", "", gpu_idle=False, cure="", least=1)
        answer, scores = ShardAnswer(), []
        items: list[ShardItem] = call.arguments[0]
        for place, item in enumerate(items):
            if item.content in self.ray.hidden and item.data is None:
                answer.unseen.append(place)
            elif item.content in self.ray.deadly:
                self.dead = True
                raise RayActorError("the image ended it")
            else:
                answer.scored.append(place)
                scores.append([score(item.content)])
        if scores:
            answer.scores = np.array(scores, np.float16)
        return answer
