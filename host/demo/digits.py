"""The demo's data: the 1,797 handwritten digits that scikit-learn ships, 8x8 pixels of 0 to 16.

Training and the demo must agree on which images were held out, so the split is made here and
nowhere else.

    1,797 images -- split by a fixed seed, stratified by digit --> 1,437 for training
                                                               `-->  360 held out
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

HELD_OUT = 360
SEED = 2026


class Digits(NamedTuple):
    """Images as rows of 64 pixels (float32), and the digits that they show."""

    images: np.ndarray
    labels: np.ndarray


def load() -> tuple[Digits, Digits]:
    """The training images and the held-out ones."""
    data = load_digits()
    train_x, test_x, train_y, test_y = train_test_split(
        data.data.astype(np.float32),
        data.target,
        test_size=HELD_OUT,
        stratify=data.target,
        random_state=SEED,
    )
    return Digits(train_x, train_y), Digits(test_x, test_y)
