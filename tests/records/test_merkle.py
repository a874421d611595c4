"""Merkle tree: published vectors of RFC 6962 logs, and proofs for exactly the leaves of a tree."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authguard.records.merkle import EMPTY, Tree, leaf, node, prove, root_of

#: the inputs and roots that certificate-transparency-go and its descendants test with
INPUTS = [bytes.fromhex(one) for one in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657")]
INPUTS.append(bytes.fromhex("606162636465666768696a6b6c6d6e6f"))
ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)


def whole(leaves: list[bytes]) -> bytes:
    """Compute a root as RFC 6962 2.1 defines it."""
    if not leaves:
        return EMPTY
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    return node(whole(leaves[:split]), whole(leaves[split:]))


def test_the_published_roots_come_out() -> None:
    tree = Tree()
    assert tree.root().hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    for data, root in zip(INPUTS, ROOTS, strict=True):
        tree.add(leaf(data))
        assert tree.root().hex() == root


@given(st.integers(1, 80), st.data())
def test_every_leaf_is_proved_and_nothing_else_is(size: int, data: st.DataObject) -> None:
    leaves = [leaf(bytes([number])) for number in range(size)]
    index = data.draw(st.integers(0, size - 1))
    root, proof = whole(leaves), prove(leaves, index, size)
    assert root_of(leaves[index], index, size, proof) == root
    other = data.draw(st.integers(0, size - 1))
    if other != index:
        assert root_of(leaves[index], other, size, proof) != root
        assert root_of(leaves[other], index, size, proof) != root
    assert root_of(leaves[index], index, size, [*proof, leaf(b"")]) == b""
    assert root_of(leaves[index], size, size, proof) == b""


@given(st.integers(0, 300), st.integers(0, 300))
def test_a_tree_goes_on_from_its_edge(first: int, more: int) -> None:
    leaves = [leaf(number.to_bytes(2, "big")) for number in range(first + more)]
    tree = Tree()
    for one in leaves[:first]:
        tree.add(one)
    again = Tree(tree.size, tree.edge)
    for one in leaves[first:]:
        again.add(one)
    assert again.root() == whole(leaves)


def test_an_edge_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="one root for each set bit"):
        Tree(3, [EMPTY])
    with pytest.raises(ValueError, match="must be less than the tree"):
        prove([], 0, 0)
    with pytest.raises(ValueError, match="not 2"):
        prove([EMPTY], 0, 2)


@given(st.lists(st.integers(0, 9), max_size=6))
def test_many_leaves_at_once_make_the_tree_that_they_make_one_by_one(sizes: list[int]) -> None:
    slow, quick, number = Tree(), Tree(), 0
    for size in sizes:
        hashes = [leaf(bytes([number + place])) for place in range(size)]
        number += size
        for one in hashes:
            slow.add(one)
        quick.extend(hashes)
        assert (quick.size, quick.edge) == (slow.size, slow.edge)
