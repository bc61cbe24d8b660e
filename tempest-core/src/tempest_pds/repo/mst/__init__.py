"""The Merkle search tree (MST): a sorted map from paths to record CIDs, whose root CID depends on its content alone.

Terms. A *path* is `collection/rkey`, in ASCII; here it is bytes, so that Python's order is the tree's order. Its
*height* is the number of leading zero bits of its SHA-256, halved: a quarter of the paths are of height 1 or more, a
sixteenth of 2 or more. A *node* is one block. All its keys have the same height, which is the node's *layer*; between
two keys, before the first and after the last there may be a *child*, a node one layer below with the keys that sort in
between. The *top* is the node of the tree's highest key.

Invariants, all of them checked on whatever is loaded from a source:

* keys rise strictly; each is stored as the length of the prefix that it shares with the one before, at its longest, and
  the rest;
* a node without keys exists only to bridge a layer between its parent and its one child. The top has keys, unless the
  tree is empty: then it is the one node with neither keys nor child;
* a child is exactly one layer below its parent, and nothing is below layer 0: no tree is deeper than its highest key.

Traps. A path of greater height than the top pushes the whole tree down, through bridging nodes when it is more than one
layer higher. Removing the only key of the top can uncover several bridging nodes; all of them go. Removing a key joins
its two neighbouring children, and what they have in the middle, down to the bottom.

https://atproto.com/specs/repository#mst-structure
"""
