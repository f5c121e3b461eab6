"""Finite groups: irreducible representations, the Fourier transform on them, subgroups and cosets.

Everything is numpy, float64 and int64; elements are indices 0..n-1 and irreps are real orthogonal matrices.

    groups          FiniteGroup (any Cayley table), CyclicGroup, UnitsModulo, DihedralGroup,
                    PermutationGroup, SymmetricGroup, AlternatingGroup, ProductGroup, product, group_by_name,
                    RecognisedGroup, RecognisedPermutations (usual irreps for elements in any order)
    irreps          Irrep: .name .dim .kind .matrices .character .frequency .partition .basis(); short_label
    transforms      FiniteGroup.fourier, .inverse_fourier, .power, .fourier_basis, .fourier_irreps
    subgroups       subgroup_classes (order <= 120), Subgroup, SubgroupClass
    cosets          left_cosets, right_cosets
    numbers         is_prime, nearest_primes, primitive_root, discrete_log

    >>> group = SymmetricGroup(5)
    >>> dict(zip(group.irrep_names, group.power(f)))      # f: [120, ...], shares of variance, sum 1

Where things are: a table's axioms in `cayley`, the transform's formulas in `transform`, Young's orthogonal
form in `young`, irreps from a table alone in `numerical` and `splitting`, names of small groups in
`isomorphism`, an explicit isomorphism between two groups in `mapping`.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
