"""Memory that is used again must never be memory that somebody still reads."""

from __future__ import annotations

import threading
import weakref

import numpy as np

from depth_anything_ros.scratch import BufferPool, Scratch, message_array, message_data


def test_an_array_has_the_shape_and_type_asked_for() -> None:
    scratch = Scratch()
    for shape, dtype in (((3, 4), np.float32), ((2, 5, 4), np.uint8), ((7,), np.bool_), ((0, 3), np.float32)):
        array = scratch.array("a", shape, dtype)
        assert (array.shape, array.dtype) == (shape, np.dtype(dtype))
        assert array.flags.c_contiguous and array.flags.writeable


def test_a_name_keeps_its_memory_and_names_do_not_share() -> None:
    scratch = Scratch()
    large = scratch.array("a", (8, 8))
    small = scratch.array("a", (4, 4))
    assert np.shares_memory(large, small)
    assert not np.shares_memory(large, scratch.array("b", (8, 8)))


def test_a_larger_array_gets_new_memory() -> None:
    scratch = Scratch()
    before = scratch.array("a", (4, 4))
    assert scratch.array("a", (400, 4)).shape == (400, 4)
    before.fill(1.0)  # still valid for whoever holds it


def test_a_stream_of_new_shapes_gathers_no_memory() -> None:
    scratch = Scratch()
    scratch.array("a", (5000,))
    arrays = [scratch.array("a", (1 + number,)) for number in range(2000)]
    assert all(np.shares_memory(arrays[0], array) for array in arrays)
    assert len(scratch._arrays) <= 256


def test_threads_do_not_share_scratch_memory() -> None:
    scratch = Scratch()
    arrays = [scratch.array("a", (16,))]
    thread = threading.Thread(target=lambda: arrays.append(scratch.array("a", (16,))))
    thread.start()
    thread.join()
    assert not np.shares_memory(arrays[0], arrays[1])


def test_a_buffer_comes_back_when_nobody_holds_it() -> None:
    pool = BufferPool(64)
    data, view = pool.take()
    address = data.buffer_info()[0]
    del data, view
    for _ in range(1000):
        data, view = pool.take()
        assert data.buffer_info() == (address, 64)
        del data, view


def test_a_buffer_is_not_handed_out_twice_while_any_kind_of_holder_lives() -> None:
    pool = BufferPool(64)
    holders = (
        lambda data, view: data,
        lambda data, view: view,
        lambda data, view: view[3:5],
        lambda data, view: memoryview(data),
        lambda data, view: np.frombuffer(data, np.uint8),
        lambda data, view: {"data": data},
    )
    for make_holder in holders:
        data, view = pool.take()
        address = data.buffer_info()[0]
        holder = make_holder(data, view)
        del data, view
        for _ in range(50):  # the interpreter specialises hot code; counting must not change with it
            assert pool.take()[0].buffer_info()[0] != address
        del holder
        assert any(pool.take()[0].buffer_info()[0] == address for _ in range(2))


def test_more_buffers_may_be_out_than_are_watched() -> None:
    pool = BufferPool(16, max_kept=2)
    taken = [pool.take()[0] for _ in range(5)]
    assert len({data.buffer_info()[0] for data in taken}) == 5


def test_the_view_is_the_buffer() -> None:
    data, view = BufferPool(8).take()
    view[:] = (1.0, -2.0)
    assert bytes(data) == np.array([1.0, -2.0], np.float32).tobytes()


def test_threads_that_share_a_pool_get_buffers_of_their_own() -> None:
    pool = BufferPool(4096)
    clashes: list[int] = []

    def work(number: int) -> None:
        for _ in range(300):
            _, view = pool.take()
            view.fill(number)
            if (view != number).any():
                clashes.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not clashes


def test_a_message_takes_the_memory_of_a_message_array_as_it_is() -> None:
    pixels = message_array((3, 5))
    pixels[:] = np.arange(15).reshape(3, 5)
    data = message_data(pixels)
    assert data is not None
    assert bytes(data) == pixels.tobytes()
    pixels[1, 2] = -1.0
    assert bytes(data) == pixels.tobytes()
    assert not np.shares_memory(pixels, message_array((3, 5)))


def test_a_part_or_a_rearrangement_of_a_buffer_is_no_whole_message() -> None:
    pixels = message_array((4, 4))
    for other in (pixels[1:], pixels[:, ::2], pixels.T, pixels[::-1], pixels.copy()):
        assert message_data(other) is None
    assert message_data(np.frombuffer(bytes(8), np.uint8)) is None


def test_the_memory_of_a_huge_message_array_is_not_kept() -> None:
    pixels = message_array((4097, 2048))
    data = message_data(pixels)
    assert data is not None
    left = weakref.ref(data)
    del pixels, data
    assert left() is None


def test_the_memory_of_a_message_array_is_used_again() -> None:
    addresses = {message_array((480, 640)).ctypes.data for _ in range(20)}
    assert len(addresses) <= 2
