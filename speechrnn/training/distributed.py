"""Several processes that train one model, as torchrun starts them, and what they agree on."""

import hashlib
import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from speechrnn.errors import InputError

LONGEST_WAIT = timedelta(hours=12)  # torchrun notices a dead process itself; decoding a large corpus may take this long


@dataclass(frozen=True)
class Processes:
    """This process among those of a run. One alone needs no torchrun, and communicates with nobody."""

    rank: int = 0
    world: int = 1
    local_rank: int = 0  # on this machine
    store: dist.Store | None = field(default=None, repr=False, compare=False)

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

    def told_by_first(self, make: Callable[[], Any]) -> Any:
        """What `make` gives on the first process, on all of them; or the InputError that it raises there, on all of them."""
        value = None
        if self.first:
            try:
                value = make()
            except InputError as error:
                value = error
        value = self.from_first(value)
        if isinstance(value, InputError):
            raise value
        return value

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

    def any(self, flag: bool, device: torch.device) -> bool:
        """Whether one of them says so. The device is that of the tensors they exchange."""
        return flag if self.world == 1 else bool(self.summed(torch.tensor(float(flag), device=device)) > 0)

    def wait(self) -> None:
        """Until all have come here."""
        if self.world > 1:
            dist.barrier()

    def replicated(self, model: torch.nn.Module) -> torch.nn.Module:
        """The model as it is called in training: its gradients become the mean of the processes'."""
        if self.world == 1:
            return model
        replica = DistributedDataParallel(model)
        replica.broadcast_buffers = (
            False  # they are constants (the constructor's switch has another name since torch 2.13)
        )
        return replica

    def first_to_say(self, text: str) -> bool:
        """Whether no other has said so: what all of them notice is told once."""
        return self.store is None or self.store.add(f"said/{hashlib.sha256(text.encode()).hexdigest()}", 1) == 1

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
    """Join the processes that torchrun started, over NCCL on GPUs and gloo on CPUs; alone without torchrun. Once a process.

    Raises:
        InputError: the environment does not tell which of several processes this is, or there is no GPU for it.
    """
    if os.environ.get("WORLD_SIZE", "1") == "1":
        return Processes()
    for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK", "MASTER_PORT"):
        if not os.environ.get(name, "").isdecimal():
            found = os.environ.get(name, "none")
            raise InputError(f"{name}: expected a number beside WORLD_SIZE, found {found}: start with torchrun")
    local_rank = int(os.environ["LOCAL_RANK"])
    if device == "cuda":
        if local_rank >= torch.cuda.device_count():
            raise InputError(
                f"process {local_rank} of this machine finds {torch.cuda.device_count()} GPUs: start fewer"
            )
        torch.cuda.set_device(local_rank)
    store, rank, world = next(dist.rendezvous("env://", timeout=LONGEST_WAIT))
    store = dist.PrefixStore(_name_of_this_start(store, rank, world), store)
    backend = "nccl" if device == "cuda" else "gloo"
    dist.init_process_group(backend, store=store, rank=rank, world_size=world, timeout=LONGEST_WAIT)
    return Processes(rank, world, local_rank, store)


def _name_of_this_start(store: dist.Store, rank: int, world: int) -> str:
    """A name that all processes of this start know, and those of an earlier one did not.

    When torchrun restarts its processes they find the same store, with the addresses of those that were killed: without a prefix
    of their own they would wait for the dead (seen with torch 2.14; pytorch issue 135712). The first process welcomes the
    others by names that each has just made up, until all have taken its own.
    """
    mine = uuid.uuid4().hex
    if rank:
        store.set(f"hello/{rank}", mine)
        name, welcomed = _welcome(store)
        while mine not in welcomed:
            time.sleep(0.02)
            name, welcomed = _welcome(store)
        store.set(f"{name}/joined/{rank}", mine)
        return name
    others = range(1, world)
    while not store.check([f"{mine}/joined/{other}" for other in others]):
        names = [store.get(f"hello/{other}").decode() for other in others]  # perhaps still those of an earlier start
        store.set("welcome", " ".join([mine, *names]))
        time.sleep(0.02)
    return mine


def _welcome(store: dist.Store) -> tuple[str, list[str]]:
    name, *welcomed = store.get("welcome").decode().split()
    return name, welcomed
