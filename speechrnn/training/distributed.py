"""Several processes that train one model, as torchrun starts them, and what they agree on."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

PATIENCE = timedelta(hours=12)  # torchrun notices a dead process itself; decoding a large corpus may take this long


@dataclass(frozen=True)
class Processes:
    """This process among those of a run. One alone needs no torchrun, and communicates with nobody."""

    rank: int = 0
    world: int = 1
    local_rank: int = 0  # on this machine

    @property
    def first(self) -> bool:
        """Whether this process writes and speaks for all."""
        return self.rank == 0

    def from_first(self, value: Any) -> Any:
        """The first process's value, on all of them."""
        if self.world == 1:
            return value
        values = [value]
        dist.broadcast_object_list(values, src=0)
        return values[0]

    def gathered(self, value: Any) -> list:
        """Every process's value, by rank."""
        if self.world == 1:
            return [value]
        values: list = [None] * self.world
        dist.all_gather_object(values, value)
        return values

    def summed(self, values: torch.Tensor) -> torch.Tensor:
        """The element-wise sum over the processes."""
        if self.world > 1:
            dist.all_reduce(values)
        return values

    @contextmanager
    def one_a_machine_first(self) -> Iterator[None]:
        """One process of each machine goes through the block before the others: what it stores, they find."""
        if self.world > 1 and self.local_rank:
            dist.barrier()
        yield
        if self.world > 1 and not self.local_rank:
            dist.barrier()

    def leave(self) -> None:
        """At the end: the others need not wait for this process any more."""
        if self.world > 1:
            dist.destroy_process_group()


def join(device: str) -> Processes:
    """Join the processes that torchrun started, over NCCL on GPUs and gloo on CPUs; alone without torchrun."""
    world = int(os.environ.get("WORLD_SIZE", 1))
    if world == 1:
        return Processes()
    local_rank = int(os.environ["LOCAL_RANK"])
    if device == "cuda":
        torch.cuda.set_device(local_rank)
    if not dist.is_initialized():
        dist.init_process_group("nccl" if device == "cuda" else "gloo", timeout=PATIENCE)
    return Processes(dist.get_rank(), world, local_rank)
