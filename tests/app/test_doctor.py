"""The doctor finds what is there and says what to do about what is not."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from types import SimpleNamespace

import pytest

from app import doctor, system_libraries
from app.doctor import Finding, examine, report
from engine import weights


@pytest.fixture(scope="module")
def findings():
    return examine()


def of(findings, subject):
    return [finding for finding in findings if finding.subject == subject]


class TestWhereAllIsWell:
    @pytest.mark.parametrize(
        "subject", ["Python", "packages", "torch", "rendering", "decoding", "database"]
    )
    def test_every_part_is_found(self, findings, subject):
        found = of(findings, subject)
        assert found and all(finding.state in ("ok", "note") for finding in found), found

    def test_all_weights_are_verified_in_one_line(self, findings):
        (finding,) = of(findings, "weights")
        count = len(weights.read_manifest())
        assert finding.detail.startswith(f"{count} of {count} files verified, ")
        for file in weights.read_manifest().values():
            assert hashlib.sha256(file.path.read_bytes()).hexdigest() == file.sha256

    def test_the_report_says_so(self, findings):
        assert report(findings).endswith("Everything needed is there.")


class TestWhereSomethingIsMissing:
    def test_advice_stands_below_the_finding(self):
        text = report(
            [
                Finding("window", "missing", "lacks libgl1", "sudo apt-get install -y libgl1"),
                Finding("CUDA", "note", "no GPU", needed=False),
            ]
        )
        lines = text.splitlines()
        assert lines[0].startswith("MISSING  window") and "-> sudo apt-get install" in lines[1]
        assert text.endswith("1 of them must be mended.")

    def test_missing_libraries_are_named_with_the_line_that_installs_them(self, monkeypatch):
        monkeypatch.setattr(system_libraries, "shared_libraries", lambda: {"libGL.so.1"})
        window = of(examine(), "window")[0]
        assert window.state == "missing" and "libegl1" in window.detail
        assert "apt-get install -y" in window.advice and "libgl1 " not in window.advice

    def test_without_osmesa_pictures_are_still_drawn(self, monkeypatch):
        libraries = set(system_libraries.WINDOW)
        monkeypatch.setattr(system_libraries, "shared_libraries", lambda: libraries)
        rendering = of(examine(), "rendering")[0]
        assert (rendering.state, rendering.needed) == ("note", False)
        assert "libosmesa6" in rendering.advice

    def test_an_altered_weight_is_told_from_a_missing_one(self, monkeypatch, tmp_path):
        file = next(iter(weights.read_manifest().values()))
        altered = tmp_path / file.path.name
        shutil.copy(file.path, altered)
        altered.write_bytes(altered.read_bytes() + b"x")
        statuses = [
            weights.WeightStatus(replace(file, path=altered), "altered", 1),
            weights.WeightStatus(replace(file, path=tmp_path / "gone"), "missing", 0),
        ]
        monkeypatch.setattr(weights, "status", lambda: statuses)
        found = of(examine(), "weights")
        assert [finding.state for finding in found] == ["note", "missing", "missing"]
        assert found[0].detail.startswith("0 of 2 files verified")
        assert "is altered" in found[1].detail and "gone is missing" in found[2].detail
        assert "git checkout -- weights" in found[1].advice

    def test_another_version_than_the_locked_one_is_found(self, monkeypatch):
        monkeypatch.setattr(doctor, "_version", lambda name: "" if name == "numpy" else "0.1")
        packages = of(examine(), "packages")[0]
        assert packages.state == "missing" and "locked" in packages.detail

    def test_whether_a_gpu_can_be_used_is_said(self, monkeypatch):
        monkeypatch.setattr("engine.device.cuda_trouble", lambda: "torch finds no GPU")
        assert [f.detail for f in doctor._torch()][1:] == [
            "torch finds no GPU: everything runs on the processor"
        ]
        monkeypatch.setattr("engine.device.cuda_trouble", lambda: "")
        card = SimpleNamespace(total_memory=80 * 2**30)
        monkeypatch.setattr("torch.cuda.get_device_properties", lambda _: card)
        monkeypatch.setattr("torch.cuda.get_device_name", lambda _: "H100")
        for trouble, state in (("no compiler", "note"), ("", "ok")):
            monkeypatch.setattr(
                "engine.appearance.rasterize_gsplat.gsplat_trouble", lambda said=trouble: said
            )
            _, card_found, gsplat = doctor._torch()
            assert card_found.detail == "H100, 80 GiB; `fit --device cuda` uses it"
            assert gsplat.subject == "gsplat" and gsplat.state == state

    def test_a_broken_part_is_a_finding_and_not_the_end(self, monkeypatch):
        def broken():
            raise ImportError("libcudart.so.12: cannot open shared object file")

        monkeypatch.setattr(
            doctor, "_EXAMINATIONS", (("torch", broken), ("database", doctor._database))
        )
        found = examine()
        assert found[0].state == "missing" and "libcudart" in found[0].detail
        assert found[1].state == "ok"
