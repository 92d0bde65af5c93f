"""Bodies for the window: skinning and normals in NumPy, without torch.

The same formulas as engine.body.smpl; a test holds the two equal. Metres, radians, y up in the
rest pose. Thread-safe: an object only reads its arrays, apart from one replaceable cache entry.
"""

from __future__ import annotations

from functools import cached_property, lru_cache

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float, Int
from scipy.spatial.transform import Rotation

from engine.body.data import OPEN_BODY, BodyData, load_body_data
from engine.body.keypoints import keypoint_regressor, landmark_vertices
from engine.body.kinematics import LEVEL_STEPS
from engine.body.regions import face_regions, vertex_regions
from engine.structures import Layout


class DisplayBody:
    """A body model that poses one frame, or a batch of frames, of one identity."""

    def __init__(self, data: BodyData) -> None:
        self.data = data
        self.name = data.name
        self.faces = data.faces.astype(np.uint32)
        self._template = data.v_template.astype(np.float32)
        self._shapedirs = data.shapedirs.astype(np.float32)
        self._skinning = data.weights.astype(np.float32)
        self._shaped: tuple[bytes, sp.csr_matrix] = (b"", sp.csr_matrix((0, 0), dtype=np.float32))

    @classmethod
    def load(cls, name: str = OPEN_BODY, density: str = "7k") -> DisplayBody:
        """A body by name. Raises `WeightError` when it is missing or altered."""
        return _load(name, density)

    @property
    def vertex_count(self) -> int:
        return self.data.vertex_count

    def vertices(
        self,
        betas: Float[np.ndarray, "B"],
        global_orient: Float[np.ndarray, "*F 3"],
        body_pose: Float[np.ndarray, "*F 23 3"],
        transl: Float[np.ndarray, "*F 3"],
    ) -> Float[np.ndarray, "*F V 3"]:
        """Skinned vertices, float32, for one frame or (F, ...) frames of one person."""
        rotmats = _local_rotations(global_orient, body_pose)
        transforms, _ = self._pose(betas, rotmats, transl)
        if self.data.posedirs is not None:
            return self._skin_with_corrections(betas, rotmats, transforms)
        batch = transforms.shape[:-3]
        columns = np.moveaxis(transforms.reshape(-1, 24, 3, 4), (1, 3), (0, 1))
        skinned: np.ndarray = self._weighted_rest(betas) @ columns.reshape(96, -1).astype(
            np.float32
        )
        if not batch:
            return skinned
        skinned = np.swapaxes(skinned.reshape(self.vertex_count, -1, 3), 0, 1)
        return np.ascontiguousarray(skinned.reshape(*batch, self.vertex_count, 3))

    def joints(
        self,
        betas: Float[np.ndarray, "B"],
        global_orient: Float[np.ndarray, "*F 3"],
        body_pose: Float[np.ndarray, "*F 23 3"],
        transl: Float[np.ndarray, "*F 3"],
    ) -> Float[np.ndarray, "*F 24 3"]:
        """Posed joints, float32."""
        rotmats = _local_rotations(global_orient, body_pose)
        joints: np.ndarray = self._pose(betas, rotmats, transl)[1].astype(np.float32)
        return joints

    def keypoints(
        self,
        betas: Float[np.ndarray, "B"],
        global_orient: Float[np.ndarray, "*F 3"],
        body_pose: Float[np.ndarray, "*F 23 3"],
        transl: Float[np.ndarray, "*F 3"],
        layout: Layout = "halpe26",
    ) -> Float[np.ndarray, "*F K 3"]:
        """Keypoints of a layout (see engine.body.keypoints), float32."""
        rotmats = _local_rotations(global_orient, body_pose)
        transforms, joints = self._pose(betas, rotmats, transl)
        ids = list(landmark_vertices(self.data))
        rest = self._rest(betas)[ids]
        if self.data.posedirs is not None:
            rest = rest + self._corrections(rotmats)[..., ids, :]
        blended = np.einsum("vj,...jrc->...vrc", self._skinning[ids], transforms)
        skinned = (blended[..., :3] @ rest[..., None])[..., 0] + blended[..., 3]
        sources = np.concatenate([joints, skinned], -2)
        keypoints: np.ndarray = keypoint_regressor(self.data, layout) @ sources
        return np.asarray(keypoints, np.float32)

    def normals(self, vertices: Float[np.ndarray, "V 3"]) -> Float[np.ndarray, "V 3"]:
        """Unit vertex normals of one mesh: area-weighted mean of the faces around each vertex."""
        # Gathered one coordinate at a time: three times as fast as whole corners.
        a, b, c = self._corners
        x, y, z = np.ascontiguousarray(np.asarray(vertices).T)
        ux, uy, uz = (axis.take(b) - axis.take(a) for axis in (x, y, z))
        vx, vy, vz = (axis.take(c) - axis.take(a) for axis in (x, y, z))
        face_normals = np.empty((len(a), 3), x.dtype)
        face_normals[:, 0] = uy * vz - uz * vy
        face_normals[:, 1] = uz * vx - ux * vz
        face_normals[:, 2] = ux * vy - uy * vx
        summed: np.ndarray = self._faces_of_vertex @ face_normals
        length = np.sqrt(np.einsum("vc,vc->v", summed, summed))
        summed /= np.maximum(length, 1e-12)[:, None]
        return summed

    @cached_property
    def vertex_regions(self) -> Int[np.ndarray, "V"]:
        """Index into `region_names()` per vertex."""
        return vertex_regions(self.data)

    @cached_property
    def region_of_face(self) -> Int[np.ndarray, "T"]:
        """Index into `region_names()` per face: the region of most of its corners."""
        return face_regions(self.data)

    @cached_property
    def _corners(self) -> Int[np.ndarray, "3 T"]:
        return np.ascontiguousarray(self.faces.T.astype(np.intp))

    @cached_property
    def _faces_of_vertex(self) -> sp.csr_matrix:
        corner = self.faces.astype(np.int64).ravel()
        face = np.repeat(np.arange(len(self.faces)), 3)
        ones = np.ones(len(corner), np.float32)
        return sp.csr_matrix((ones, (corner, face)), shape=(self.vertex_count, len(self.faces)))

    def _rest(self, betas: np.ndarray) -> np.ndarray:
        used = np.asarray(betas, np.float32)
        change: np.ndarray = self._shapedirs[..., : len(used)] @ used
        return np.asarray(self._template + change)

    def _weighted_rest(self, betas: np.ndarray) -> sp.csr_matrix:
        """(V, 96): each joint's weight times [rest vertex, 1]; kept for the last shape used.

        Sparse: few joints move a vertex. A dense product is four times slower, and leaves the
        threads of the BLAS spinning between two frames.
        """
        key = np.asarray(betas, np.float32).tobytes()
        kept_key, kept = self._shaped
        if kept_key == key:
            return kept
        rest = self._rest(betas)
        homogeneous = np.concatenate([rest, np.ones_like(rest[:, :1])], 1)
        weighted = sp.csr_matrix(
            (self._skinning[:, :, None] * homogeneous[:, None]).reshape(len(rest), -1)
        )
        self._shaped = (key, weighted)
        return weighted

    def _corrections(self, rotmats: np.ndarray) -> np.ndarray:
        """Pose blend shapes (..., V, 3)."""
        assert self.data.posedirs is not None
        feature = (rotmats[..., 1:, :, :] - np.eye(3)).reshape(*rotmats.shape[:-3], -1)
        change: np.ndarray = feature @ self.data.posedirs
        return change.reshape(*feature.shape[:-1], -1, 3)

    def _skin_with_corrections(
        self, betas: np.ndarray, rotmats: np.ndarray, transforms: np.ndarray
    ) -> np.ndarray:
        rest = self._rest(betas) + self._corrections(rotmats).astype(np.float32)
        flat = transforms.astype(np.float32).reshape(*transforms.shape[:-2], 12)
        blended: np.ndarray = (self._skinning @ flat).reshape(*rest.shape[:-1], 3, 4)
        skinned: np.ndarray = (blended[..., :3] @ rest[..., None])[..., 0]
        return np.asarray(skinned + blended[..., 3])

    def _pose(
        self, betas: np.ndarray, rotmats: np.ndarray, transl: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Joint transforms (..., 24, 3, 4) and joints (..., 24, 3), translation included."""
        used = np.asarray(betas, np.float64)
        rest = self.data.J_template + self.data.J_shapedirs[..., : len(used)] @ used
        turns = np.empty(rotmats.shape)
        joints = np.empty(rotmats.shape[:-1])
        turns[..., 0, :, :] = rotmats[..., 0, :, :]
        joints[..., 0, :] = rest[0]
        for step in LEVEL_STEPS:
            above = turns[..., step.parents, :, :]
            bones = (rest[step.joints] - rest[step.parents])[..., None]
            joints[..., step.joints, :] = joints[..., step.parents, :] + (above @ bones)[..., 0]
            turns[..., step.joints, :, :] = above @ rotmats[..., step.joints, :, :]
        joints += np.asarray(transl, np.float64)[..., None, :]
        offsets = joints[..., None] - turns @ rest[..., None]
        return np.concatenate([turns, offsets], -1), joints


def _local_rotations(global_orient: np.ndarray, body_pose: np.ndarray) -> np.ndarray:
    """Rotation matrices (..., 24, 3, 3) of axis-angle vectors, the root's first."""
    vectors = np.concatenate([np.asarray(global_orient)[..., None, :], np.asarray(body_pose)], -2)
    matrices: np.ndarray = Rotation.from_rotvec(vectors.reshape(-1, 3)).as_matrix()
    return matrices.reshape(*vectors.shape, 3)


@lru_cache(maxsize=8)
def _load(name: str, density: str) -> DisplayBody:
    return DisplayBody(load_body_data(name, density))
