from typing import final

@final
class World:
    def __new__(cls) -> World: ...
