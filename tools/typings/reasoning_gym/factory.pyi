from typing import Any

class ProceduralDataset:
    seed: int
    size: int
    config: Any
    def __init__(self, config: Any, seed: int | None = ..., size: int = ...) -> None: ...

def register_dataset(name: str, dataset_cls: type[Any], config_cls: type[Any] | None = ...) -> None: ...
