"""The size and colours of all plots."""

from __future__ import annotations

WIDTH, HEIGHT, DPI = 8.0, 5.5, 100
# Okabe and Ito's palette, which people with any colour blindness can distinguish; plots also vary the line style.
BLUE, ORANGE, GREEN, PURPLE, SKY, RED, YELLOW, BLACK = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000",
)  # fmt: skip
