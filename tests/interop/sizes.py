"""Sizes of messages at which something may go wrong."""

# What fits a packet with DATA (1,163 bytes) and with I-DATA (1,159), twice that, powers of two, the largest that most take.
BOUNDARIES = (*range(0, 6), *range(1157, 1166), *range(1190, 1193), *range(1199, 1202), *range(2316, 2329), 16383, 16384, 16385,
              65534, 65535, 65536, 65537, 131072, 262143, 262144)


def around_boundaries(least=0, most=262144):
    """As --sizes of the peers."""
    return ",".join(str(size) for size in BOUNDARIES if least <= size <= most)
