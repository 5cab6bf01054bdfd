"""The load of a machine, from what the system shows as text."""

from phaseline.reporting.host_load import gpus, host_load

FILES = {
    "/proc/loadavg": "3.52 2.80 1.90 2/1234 5678\n",
    "/proc/meminfo": "MemTotal:       32768000 kB\nMemFree:         1000000 kB\nMemAvailable:   20480000 kB\n",
}


def read(path: str) -> str:
    if path not in FILES:
        raise FileNotFoundError(path)
    return FILES[path]


def missing(path: str) -> str:
    raise FileNotFoundError(path)


def test_load_and_memory_are_read() -> None:
    assert host_load(read, 8) == {
        "load": 3.52,
        "processors": 8,
        "memory_used": 12_288_000 * 1024,
        "memory_total": 32_768_000 * 1024,
    }


def test_values_that_the_system_does_not_show_are_omitted() -> None:
    assert host_load(missing, None) == {}
    assert host_load(lambda _: "", 2) == {"processors": 2}
    assert host_load(lambda _: "nonsense: x", None) == {}
    assert host_load(lambda _: "MemTotal: 5 kB\nMemAvailable:\n", None) == {}


def test_graphics_processors_are_read() -> None:
    text = "NVIDIA GeForce RTX 4090, 91, 16384, 24564\nTesla T4, [N/A], 3, 15360\nbroken\nX, 150, , 1\n"
    assert gpus(text) == [
        {"name": "NVIDIA GeForce RTX 4090", "use": 91, "memory_used": 16384 * 2**20, "memory_total": 24564 * 2**20},
        {"name": "Tesla T4", "memory_used": 3 * 2**20, "memory_total": 15360 * 2**20},
        {"name": "X", "memory_total": 2**20},
    ]
    assert len(gpus("A, 1, 2, 3\n" * 100)) == 16
    assert gpus("") == []
