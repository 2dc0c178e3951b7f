"""Many tasks, one loop."""

from __future__ import annotations

import asyncio
import gc
import weakref

import numpy
import pytest

import systole
from systole import _asyncio


def test_many_tasks_are_answered_in_batches(device, digits, images):
    model = systole.Fleet([device]).load(digits)
    expected = model(images)

    async def main():
        rows = [images[i % len(images)][None] for i in range(500)]
        return await asyncio.gather(*(model.infer_async(row) for row in rows))

    predictions = asyncio.run(main())
    for i, prediction in enumerate(predictions):
        numpy.testing.assert_array_equal(prediction.values[0], expected[i % len(images)])
    assert max(prediction.batch for prediction in predictions) > 1


def test_failures_are_raised_where_they_are_awaited(model, images):
    async def main():
        with pytest.raises(systole.InvalidArgument):
            await model.infer_async(images[:, :3])
        with pytest.raises(systole.InvalidArgument):
            await model.infer_async(numpy.full_like(images, numpy.nan))
        return await model.infer_async(images, timeout=60.0, priority=0)

    assert asyncio.run(main()).values.shape == (len(images), 10)


def test_a_task_that_is_cancelled_withdraws_its_request(device, digits, images):
    model = systole.Fleet([device]).load(digits, queue=4000)

    async def main():
        tasks = [asyncio.create_task(model.infer_async(images)) for _ in range(300)]
        await asyncio.sleep(0)
        for task in tasks[1:]:
            task.cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    results = asyncio.run(main())
    assert isinstance(results[0], systole.Prediction)
    cancelled = [isinstance(result, asyncio.CancelledError) for result in results[1:]]
    assert all(cancelled)
    # What had not begun was not computed.
    counts = model.counts()
    assert counts.answered < 300
    model(images)


def test_a_queue_that_is_full(device, digits, images):
    model = systole.Fleet([device]).load(digits, queue=1, batch_rows=1)

    async def main():
        tasks = (model.infer_async(images) for _ in range(200))
        return await asyncio.gather(*tasks, return_exceptions=True)

    refused = [result for result in asyncio.run(main()) if isinstance(result, Exception)]
    assert refused
    for error in refused:
        assert isinstance(error, systole.QueueFull), error
        assert error.code is systole.Code.QUEUE_FULL


def test_loads_and_swaps_leave_the_loop_alone(digits, images):
    async def main():
        model = await systole.Fleet().load_async(digits)
        await model.replace_async(digits, version=2)
        return await model.infer_async(images)

    assert asyncio.run(main()).version == 2


def test_each_loop_has_its_inbox_and_takes_it_along(model, images):
    async def main():
        await model.infer_async(images)
        return weakref.ref(asyncio.get_running_loop())

    loops = [asyncio.run(main()) for _ in range(3)]
    gc.collect()
    assert all(loop() is None for loop in loops)
    assert len(_asyncio._inboxes) == 0
