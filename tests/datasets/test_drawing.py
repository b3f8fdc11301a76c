"""What each option of drawn tasks does, and what tells the families apart."""

import re
from collections import defaultdict

import cv2
import numpy as np
import pytest
from scipy.stats import kstest, rayleigh

from mmseg_universeg.datasets import SyntheticTasksDataset
from mmseg_universeg.datasets.drawing import (
    FAMILIES,
    HARDER_FAMILIES,
    Acquisition,
    Appearance,
    Changes,
    Look,
    Scene,
    acquire,
    anatomies,
    draw_look,
    render,
    varied,
)
from mmseg_universeg.datasets.drawing.appearance import draw_texture, half_width
from mmseg_universeg.datasets.drawing.fields import Pose, deform
from mmseg_universeg.datasets.drawing.objects import (
    draw_strength,
    remove_object,
    repeat_object,
)

# Nothing that differs from image to image.
STILL = dict(
    any_way=0.0,
    rotation=(0.0, 0.0),
    scale=(0.0, 0.0),
    stretch=(0.0, 0.0),
    shift=(0.0, 0.0),
    elastic=(0.0, 0.0),
)


def squares(size=48):
    """Two squares that do not touch, labels 1 and 2, on label 0: (1, H, W)."""
    labels = np.zeros((1, size, size), np.uint8)
    labels[:, size // 12 : size // 2 - 4, size // 12 : size // 2 - 4] = 1
    labels[:, size // 2 + 4 : -size // 12, size // 2 + 4 : -size // 12] = 2
    return labels


def looks(number=60, labels=None, tissues=None, changes=None, **appearance):
    """Looks of the two squares, of which the first is to be found."""
    labels = squares() if labels is None else labels
    scene = Scene(lambda rng, num: labels, [1.0] * 3, tissues=tissues)
    rng = np.random.default_rng(0)
    options = Appearance(**appearance), Changes(**(changes or {}))
    return [draw_look(rng, labels, 1, scene, *options) for _ in range(number)]


def plain_look(**values):
    """A look of three labels of fixed means, with nothing else but ``values``."""
    zeros = np.zeros(3)
    plain = dict(
        cue='intensity',
        means=np.array([0.2, 0.4, 0.6]),
        jitter=zeros,
        textures=(),
        pattern=np.zeros(3, int),
        grain=zeros,
        shading=zeros,
        rim=0.0,
        blur=0.1,
        bias=0.0,
        noise=0.0,
        gamma=1.0,
        invert=False,
        foreground=1,
        faint=0.0,
    )
    return Look(**plain | values)


def rendered(labels=None, **values):
    labels = squares() if labels is None else labels
    return render(np.random.default_rng(0), labels, plain_look(**values))


class TestAppearance:
    def test_contrast_is_the_least_difference_to_the_foreground(self):
        for low, high in ((0.15, 0.15), (0.3, 0.3)):
            gaps = [
                np.abs(np.delete(look.means, 1) - look.means[1]).min()
                for look in looks(contrast=(low, high), by_texture=0, by_place=0)
            ]
            assert min(gaps) >= low - 1e-9
            # Some tasks have no more than that.
            assert min(gaps) == pytest.approx(low)

    def test_texture_is_the_deviation_of_the_amplitudes(self):
        options = dict(by_texture=0, by_place=0)
        assert not any(look.grain.any() for look in looks(texture=(0, 0), **options))
        grains = [look.grain for look in looks(texture=(0.1, 0.1), **options)]
        assert np.sqrt(np.mean(np.square(grains))) == pytest.approx(0.1, rel=0.2)

    def test_grain_is_the_amplitude_of_the_texture(self):
        rng = np.random.default_rng(1)
        textures = [draw_texture(rng, (96, 96), 2.0)]
        image = rendered(textures=textures, grain=np.array([0, 0.05, 0]))[0]
        label = squares()[0]
        inside = image[label == 1].std()
        assert inside > 10 * max(image[label == 0].std(), image[label == 2].std())

    def test_gradient_is_a_slow_change_of_at_most_the_contrast(self):
        assert not any(look.shading.any() for look in looks(gradient=0.0))
        shading = np.array(
            [look.shading for look in looks(gradient=1.0, contrast=(0.2, 0.2))]
        )
        assert shading.max() == pytest.approx(0.6 * 0.2)
        label = squares()[0]
        image = rendered(shading=np.array([0, 0.1, 0]))[0]
        assert image[label == 1].std() > 0.02
        assert image[label == 0].std() < 1e-6
        steps = np.abs(np.diff(image, axis=0))[label[1:] & label[:-1] == 1]
        assert steps.max() < 0.1

    def test_boundary_is_a_line_between_labels(self):
        rims = [look.rim for look in looks(boundary=(1.0, 0.3, 0.3))]
        assert set(rims) == {-0.3, 0.3}
        assert not any(look.rim for look in looks(boundary=(0.0, 0.3, 0.3)))
        # The last label's 0.6 and 0.4 more are the brightest, on its border only.
        image, label = rendered(rim=0.4)[0], squares()[0]
        inner = cv2.erode((label == 2).astype(np.uint8), np.ones((5, 5)))
        assert (image[inner == 1] < 0.6).all()
        first = np.argwhere(label == 2)[0]
        assert image[tuple(first)] == 1

    def test_blur_grows_with_the_image(self):
        assert {look.blur for look in looks(3, blur=(2, 2))} == {2}
        large = looks(3, labels=squares(192), blur=(2, 2))
        assert {look.blur for look in large} == {4}
        sharp, soft = (rendered(blur=blur)[0] for blur in (0.1, 3.0))
        assert len(np.unique(sharp.round(3))) == 3 < len(np.unique(soft.round(3)))

    def test_noise_is_of_the_given_deviation(self):
        for look in looks(3, noise=(0.03, 0.03)):
            assert look.noise == pytest.approx(0.03)
        image, label = rendered(noise=0.02)[0], squares()[0]
        low, high = (image[label == value].mean() for value in (0, 2))
        # The means differ by 0.4 before the image is scaled to [0, 1].
        assert image[label == 0].std() / (high - low) == pytest.approx(0.05, rel=0.1)

    def test_bias_multiplies(self):
        biases = [look.bias for look in looks(bias=(0.5, 0.3, 0.3))]
        assert set(biases) == {0, 0.3}
        assert 0.3 < np.mean(np.array(biases) > 0) < 0.7
        label = squares(64)[0]
        means = np.array([0.0, 0.5, 0.5])
        image = rendered(squares(64), bias=0.3, means=means)[0]
        far = cv2.dilate((label > 0).astype(np.uint8), np.ones((5, 5))) == 0
        assert (image[far] == 0).all()  # there is nothing to multiply
        assert image[label > 0].std() > 0.05

    def test_gamma_is_an_exponent(self):
        for look in looks(3, gamma=(1.7, 1.7)):
            assert look.gamma == pytest.approx(1.7)
        assert np.allclose(rendered(gamma=2.0), rendered() ** 2, atol=1e-6)

    def test_inverted_makes_dark_bright(self):
        for chance in (0.0, 1.0):
            assert {look.invert for look in looks(20, inverted=chance)} == {chance == 1}
        assert np.allclose(rendered(invert=True), 1 - rendered(), atol=1e-6)

    def test_by_texture_and_by_place_are_the_chances_of_the_cues(self):
        assert {look.cue for look in looks(by_texture=1, by_place=0)} == {'texture'}
        assert {look.cue for look in looks(by_texture=0, by_place=1)} == {'place'}
        assert {look.cue for look in looks(by_texture=0, by_place=0)} == {'intensity'}
        for look in looks(by_texture=1, by_place=0):
            # Label 0 touches the foreground and is as bright but for little.
            assert abs(look.means[0] - look.means[1]) < 0.15
            assert look.pattern[0] != look.pattern[1]
        for look in looks(by_texture=0, by_place=1):
            assert look.means[2] == look.means[1] != look.means[0]
            assert look.grain[2] == look.grain[1]

    def test_labels_of_one_tissue_look_alike(self):
        for tissues, cue in (((0, 1, 1), 'place'), ((0, 1, 0), 'intensity')):
            for look in looks(tissues=tissues, contrast=(0.1, 0.1)):
                assert look.cue == cue
                for values in (look.means, look.pattern, look.grain):
                    one, other = np.flatnonzero(np.equal(tissues, tissues[2]))
                    assert values[one] == values[other]
                assert abs(look.means[1] - look.means[0]) >= 0.0999


def windows(canvas, number=200, **changes):
    """Windows of 64x64 on the middle of a canvas of 128x128."""
    rng = np.random.default_rng(0)
    pose = Pose.draw(rng, Changes(**STILL | changes))
    return deform(rng, canvas, number, (64, 64), 64, pose)


def bar(height=8, width=24):
    canvas = np.zeros((128, 128), np.uint8)
    top, left = 64 - height // 2, 64 - width // 2
    canvas[top : top + height, left : left + width] = 1
    return canvas


def second_moments(mask):
    """Centre (x, y), covariance (2, 2) and area of a mask."""
    ys, xs = np.nonzero(mask)
    return np.array([xs.mean(), ys.mean()]), np.cov(xs, ys), len(xs)


class TestChanges:
    def test_any_way_turns_and_mirrors(self):
        canvas = np.zeros((128, 128), np.uint8)
        canvas[50:60, 50:60], canvas[68:78, 50:60], canvas[50:60, 68:78] = 1, 2, 3
        ways = defaultdict(int)
        for label in windows(canvas, any_way=1.0):
            one, two, three = (second_moments(label == k)[0] for k in (1, 2, 3))
            (ax, ay), (bx, by) = two - one, three - one
            ways[int(np.arctan2(ay, ax) // (np.pi / 2)) % 4, ax * by > ay * bx] += 1
        # Each quarter of a turn, mirrored and not.
        assert len(ways) == 8 and min(ways.values()) >= 10
        assert (windows(canvas, 3) == canvas[32:96, 32:96]).all()

    def test_rotation_is_the_largest_angle(self):
        angles = []
        for label in windows(bar(), rotation=(0.3, 0.3)):
            _, cov, _ = second_moments(label)
            angles.append(np.arctan2(2 * cov[0, 1], cov[0, 0] - cov[1, 1]) / 2)
        assert np.abs(angles).max() == pytest.approx(0.3, abs=0.03)
        assert np.std(angles) == pytest.approx(0.3 / np.sqrt(3), rel=0.15)

    def test_scale_is_the_deviation_of_the_zoom(self):
        areas = [label.sum() for label in windows(bar(24, 24), scale=(0.2, 0.2))]
        assert np.std(np.log(areas)) == pytest.approx(2 * 0.2, rel=0.15)

    def test_stretch_is_the_deviation_of_the_aspect_ratio(self):
        ratios = []
        for label in windows(bar(24, 24), stretch=(0.2, 0.2)):
            _, cov, area = second_moments(label)
            ratios.append(np.sqrt(cov[0, 0] / cov[1, 1]))
            assert area == pytest.approx(24 * 24, rel=0.12)
        assert np.std(np.log(ratios)) == pytest.approx(0.2, rel=0.15)

    def test_shift_is_a_share_of_the_side(self):
        centres = [
            second_moments(label)[0] for label in windows(bar(), shift=(0.1,) * 2)
        ]
        assert np.std(centres, 0) == pytest.approx(0.1 * 64, rel=0.15)

    def test_elastic_is_the_deviation_in_cells(self):
        columns = np.tile(np.arange(128, dtype=np.uint8), (128, 1))
        straight = columns[32:96, 32:96].astype(int)
        for cells in (2.0, 6.0):
            bent = windows(columns, elastic=(0.15, 0.15), elastic_cells=(cells, cells))
            moved = bent - straight
            # A cell has 64 / cells pixels.
            assert moved.std() == pytest.approx(0.15 * 64 / cells, rel=0.15)

    def test_elastic_cells_make_it_finer(self):
        columns = np.tile(np.arange(128, dtype=np.uint8), (128, 1))
        turns = []
        for cells in (2.0, 8.0):
            bent = windows(columns, elastic=(0.18, 0.18), elastic_cells=(cells, cells))
            moved = (bent - columns[32:96, 32:96].astype(np.int16)).astype(np.float32)
            moved = np.stack([cv2.blur(one, (3, 3)) for one in moved])
            steps = np.abs(moved[:, 4:] - moved[:, :-4]).mean()
            turns.append(steps / moved.std())
        assert turns[1] > 2 * turns[0]

    def test_intensity_is_in_units_of_the_contrast(self):
        changes = dict(intensity=(0.2, 0.2))
        found = {
            round(float(value), 6)
            for look in looks(changes=changes, contrast=(0.1, 0.1))
            for value in look.jitter
        }
        assert found == {0.02, 0.06}
        still = looks(5, changes=dict(intensity=(0, 0)))
        assert not any(look.jitter.any() for look in still)
        # Label 1 lies between the darkest and the brightest one, or beyond.
        many = rendered(squares().repeat(200, 0), jitter=np.array([0, 0.02, 0]))
        assert many[:, 10, 10].std() == pytest.approx(0.02 / 0.4, rel=0.2)

    def test_faint_objects_lose_a_share_of_their_contrast_to_the_most_of_an_image(self):
        label = np.zeros((24, 24), np.uint8)
        label[2:8, 2:8] = label[12:20, 12:20] = 1
        label[2:8, 16:20] = 2
        many = rendered(label[None].repeat(400, 0), faint=0.8)
        # Label 0 is most of an image and black, label 2 white.
        shares = many[:, [4, 16], [4, 16]] / 0.5
        assert many[:, 0, 0] == pytest.approx(0, abs=1e-5)
        assert many[:, 4, 18] == pytest.approx(1, abs=1e-5)
        assert kstest(shares.ravel(), 'uniform', (0.2, 0.8)).pvalue > 0.01
        # Each object loses its own share, all over.
        assert abs(np.corrcoef(shares.T)[0, 1]) < 0.15
        assert many[:, 2, 2] == pytest.approx(many[:, 7, 7], abs=1e-5)

    def test_faint_has_a_chance(self):
        found = [look.faint for look in looks(400, changes=dict(faint=(0.5, 0.3, 0.8)))]
        some = [share for share in found if share]
        assert 160 < len(some) < 240
        assert kstest(some, 'uniform', (0.3, 0.5)).pvalue > 0.01
        assert not any(look.faint for look in looks(5))

    def test_nothing_that_comes_and_goes_leaves_the_scene_alone(self):
        scene = Scene(lambda rng, num: squares(), [1.0, 1.0, 1.0])
        assert varied(np.random.default_rng(0), scene, 1, Changes()) is scene

    def test_missing_and_repeated_are_chances_of_an_image(self):
        label = np.zeros((40, 40), np.uint8)
        label[4:8, 4:8], label[30:36, 30:36] = 1, 2
        scene = Scene(lambda rng, num: np.stack([label] * num), [1.0, 1.0, 1.0])
        for name in ('missing', 'repeated'):
            rng = np.random.default_rng(0)
            changes = Changes(**{name: (1.0, 0.4, 0.4)})
            drawn = varied(rng, scene, 1, changes).draw(rng, 500)
            areas = np.stack([(drawn == k).sum((1, 2)) for k in (1, 2)], 1)
            differ = (drawn != label).any((1, 2))
            if name == 'missing':
                # Label 0 is too large, and the only object of label 1 stays.
                assert np.array_equal(areas[~differ], [[16, 36]] * (~differ).sum())
                assert np.array_equal(areas[differ], [[16, 0]] * differ.sum())
                assert differ.mean() == pytest.approx(0.4 / 3, abs=0.04)
            else:
                assert (areas >= [0, 0]).all()
                assert (areas <= [32, 72]).all() and (areas.max(0) == [32, 72]).all()
                assert differ.mean() == pytest.approx(0.4 * 2 / 3, abs=0.07)

    def test_a_missing_object_is_filled_with_what_surrounds_it_most(self):
        label = np.zeros((20, 20), np.uint8)
        label[:, 8:] = 3  # too large to be an object
        label[8:13, 7:12] = 1  # one of its five columns lies in label 0
        without_one, without_zero = label.copy(), label.copy()
        without_one[label == 1] = 3
        without_zero[label == 0] = 3
        rng, seen = np.random.default_rng(0), set()
        for _ in range(30):
            found = label.copy()
            remove_object(rng, found, spared=2)
            seen.add(found.tobytes())
        wanted = (label, without_one, without_zero)
        assert seen == {one.tobytes() for one in wanted}

    def test_the_last_object_of_the_foreground_stays(self):
        label = np.zeros((20, 20), np.uint8)
        label[2:6, 2:6] = 1
        rng = np.random.default_rng(0)
        for _ in range(20):
            found = label.copy()
            remove_object(rng, found, spared=1)
            assert np.array_equal(found, label)
        label[12:17, 12:17] = 1
        sums = set()
        for _ in range(30):
            found = label.copy()
            remove_object(rng, found, spared=1)
            sums.add(int(found.sum()))
        assert sums == {16, 25, 41}

    def test_a_repeated_object_is_a_copy(self):
        label = np.zeros((40, 40), np.uint8)
        label[3:9, 3:6] = 1
        label[3:5, 3:9] = 1  # an L of 3 x 6 and 2 x 3 pixels
        rng, whole = np.random.default_rng(0), 0
        for _ in range(40):
            found = label.copy()
            repeat_object(rng, found)
            assert (found >= label).all()
            count, _, stats, _ = cv2.connectedComponentsWithStats(found)
            if count == 3:
                assert (stats[1:, cv2.CC_STAT_AREA] == 24).all()
                assert (stats[1:, cv2.CC_STAT_WIDTH] == 6).all()
                whole += 1
        assert whole >= 5

    def test_distractors_only_add_the_last_label(self):
        labels = squares(64)[0]
        scene = Scene(
            lambda rng, num: np.stack([labels] * num), [0, 1, 1], True, (0, 1, 1)
        )
        counts = []
        for seed in range(20):
            rng = np.random.default_rng(seed)
            changes = Changes(distractors=(1.0, 3, 3))
            scene_with = varied(rng, scene, 1, changes)
            assert list(scene_with.chances) == [0, 1, 1, 0]
            assert list(scene_with.tissues) == [0, 1, 1, 2]
            assert scene_with.graded
            drawn = scene_with.draw(rng, 8)
            assert np.array_equal(
                drawn[drawn < 3], np.broadcast_to(labels, drawn.shape)[drawn < 3]
            )
            counts += [
                cv2.connectedComponents((one == 3) * np.uint8(1))[0] - 1
                for one in drawn
            ]
        # From none to three, all of them about as often, but for those outside.
        assert set(counts) == {0, 1, 2, 3}

    def test_distractors_are_never_to_be_found(self):
        dataset = SyntheticTasksDataset(
            image_size=(32, 32), changes=dict(distractors=(1.0, 8, 8))
        )
        rng = np.random.default_rng(0)
        for _ in range(40):
            _, scene, _, foreground = dataset._draw_scene(rng)
            assert foreground < len(scene.chances)
            assert varied(rng, scene, foreground, dataset.changes).chances[-1] == 0

    def test_strength_is_zero_or_of_the_range(self):
        found = np.array(
            [draw_strength(np.random.default_rng(n), (0.3, 2, 5)) for n in range(400)]
        )
        assert np.mean(found > 0) == pytest.approx(0.3, abs=0.07)
        drawn = found[found > 0]
        assert drawn.min() >= 2 and drawn.max() <= 5
        assert drawn.mean() == pytest.approx(3.5, abs=0.3)
        # An effect that does not happen takes as much from the generator.
        one, other = np.random.default_rng(0), np.random.default_rng(0)
        draw_strength(one, (0.0, 0, 1))
        draw_strength(other, (1.0, 3, 5))
        assert one.random() == other.random()


def acquired(images, masks=None, least=0.005, seed=0, **strengths):
    """What acquisition makes of images where each of ``strengths`` always happens."""
    masks = np.ones(images.shape, np.uint8) if masks is None else masks
    options = {name: (1.0, value, value) for name, value in strengths.items()}
    return acquire(
        np.random.default_rng(seed),
        images.astype(np.float32),
        masks.copy(),
        least,
        Acquisition(**options),
    )


def stretched(images):
    low, high = images.min((1, 2), keepdims=True), images.max((1, 2), keepdims=True)
    return (images - low) / (high - low)


def ramps(number=1, size=32):
    """Images that rise from 0 to 1 over their pixels."""
    ramp = np.linspace(0, 1, size * size, dtype=np.float32).reshape(size, size)
    return np.stack([ramp] * number)


class TestAcquisition:
    def test_nothing_happens_by_default(self):
        images, masks = acquired(ramps(2))
        assert np.array_equal(images, ramps(2))
        assert masks.all()

    def test_negative_inverts_about_the_drawn_share(self):
        images, _ = acquired(ramps(1000, 8), negative=0.3)
        flipped = images[:, 0, 0] == 1
        assert np.mean(flipped) == pytest.approx(0.3, abs=0.05)
        assert np.allclose(images[flipped], 1 - ramps(1, 8), atol=1e-6)
        assert np.array_equal(images[~flipped], ramps((~flipped).sum(), 8))

    def test_exposure_is_an_exponent_of_each_image(self):
        images, _ = acquired(ramps(400, 8), exposure=0.3)
        ramp = ramps(1, 8)[0]
        exponents = np.log(images[:, 4, 4]) / np.log(ramp[4, 4])
        assert np.allclose(images, ramp ** exponents[:, None, None], atol=1e-4)
        assert np.log(exponents).mean() == pytest.approx(0, abs=0.05)
        assert np.log(exponents).std() == pytest.approx(0.3, rel=0.1)

    def test_vignetting_darkens_the_corners_by_the_share(self):
        image = np.ones((1, 33, 33), np.float32)
        image[0, 16, 15] = 0  # so that no image is scaled
        image = acquired(image, vignetting=0.6)[0][0]
        assert image[16, 16] == 1
        for corner in (image[0, 0], image[0, -1], image[-1, 0], image[-1, -1]):
            assert corner == pytest.approx(1 - 0.6, abs=1e-6)
        for middle in (image[0, 16], image[-1, 16], image[16, 0], image[16, -1]):
            assert middle == pytest.approx(1 - 0.3, abs=1e-6)
        assert (np.diff(image[16, 16:]) < 0).all()

    def test_partial_volume_mixes_edges_and_leaves_what_is_flat(self):
        image = np.zeros((1, 96, 96), np.float32)
        image[..., 48:] = 1
        image = acquired(image, partial_volume=2.0)[0][0]
        # Fields of deviation 1 seldom exceed 5, and never did here.
        assert (image[:, :38] == 0).all() and (image[:, 58:] == 1).all()
        edge = image[:, 38:58]
        assert 0.1 < np.mean((edge > 0) & (edge < 1)) < 0.9
        # Half of each pixel is its own.
        assert image[:, :48].max() <= 0.5 <= image[:, 48:].min()

    def test_low_resolution_removes_high_frequencies(self):
        noise = np.random.default_rng(0).random((4, 64, 64), np.float32)
        images, _ = acquired(noise, low_resolution=4.0)
        power = [
            np.abs(np.fft.fft2(i - i.mean((1, 2), keepdims=True))) ** 2
            for i in (noise, images)
        ]
        rate = np.abs(np.fft.fftfreq(64))
        high = np.maximum(rate[:, None], rate) > 1 / 4
        before, after = (p[:, high].sum() / p.sum() for p in power)
        assert before > 0.7
        assert after < 0.08
        small = cv2.resize(noise[0], (16, 16), interpolation=cv2.INTER_AREA)
        wanted = stretched(cv2.resize(small, (64, 64))[None])
        assert np.allclose(images[:1], wanted, atol=1e-5)

    def test_rician_noise_on_nothing_is_rayleigh(self):
        black = np.zeros((1, 128, 128), np.float32)
        black[0, 0, 0] = 1
        values = np.sort(acquired(black, rician=0.05)[0].ravel())[:-1]
        # Scaled by the least and the largest value, about 0 and 1.
        scale = np.sqrt(np.mean(values**2) / 2)
        assert scale == pytest.approx(0.05, rel=0.2)
        assert kstest(values, rayleigh(scale=scale).cdf).statistic < 0.015
        assert kstest(values, 'norm', (values.mean(), values.std())).statistic > 0.03

    def test_rician_noise_on_what_is_bright_is_normal(self):
        bright = np.ones((1, 128, 128), np.float32)
        bright[0, 0, 0] = 0
        values = np.sort(acquired(bright, rician=0.05)[0].ravel())[1:]
        assert values.std() / values.mean() == pytest.approx(0.05, rel=0.1)
        assert kstest(values, 'norm', (values.mean(), values.std())).statistic < 0.015

    def test_speckle_is_proportional_to_the_brightness(self):
        image = np.zeros((1, 128, 128), np.float32)
        image[:, :, 32:80] = 0.25
        image[:, :, 80:] = 1
        image = acquired(image, speckle=0.1)[0][0]
        assert (image[:, :32] == 0).all()
        for part in (image[:, 32:80], image[:, 80:]):
            assert part.std() / part.mean() == pytest.approx(0.1, rel=0.15)

    def test_compression_is_that_of_jpeg(self):
        rng = np.random.default_rng(0)
        noise = stretched(rng.random((2, 32, 40), np.float32))
        images, _ = acquired(noise, compression=20)
        for image, before in zip(images, noise):
            eight_bit = np.rint(before * 255).astype(np.uint8)
            _, code = cv2.imencode('.jpg', eight_bit, [cv2.IMWRITE_JPEG_QUALITY, 20])
            wanted = cv2.imdecode(code, cv2.IMREAD_GRAYSCALE)[None].astype(float)
            assert np.allclose(image, stretched(wanted)[0], atol=1e-5)
        better, _ = acquired(noise, compression=90)
        assert np.abs(better - noise).mean() < np.abs(images - noise).mean() / 2

    def test_black_borders_are_discs_or_frames_and_cut_the_mask(self):
        image = np.ones((6, 40, 60), np.float32)
        image[:, 20, 30] = 0
        ys, xs = np.mgrid[:40, :60]
        to_middle = np.hypot(ys - 19.5, xs - 29.5)
        kinds = set()
        for seed in range(30):
            images, masks = acquired(image, seed=seed, black_borders=0.2)
            for one, mask in zip(images, masks):
                seen = mask == 1
                assert (one[seen & (image[0] == 1)] == 1).all()
                assert (one[~seen] == 0).all()
                if seen.all():
                    kinds.add('none')
                elif not (seen.any(0).all() or seen.any(1).all()) and not (
                    seen[seen.any(1)][:, seen.any(0)].all()
                ):
                    kinds.add('disc')
                    radius = to_middle[seen].max()
                    assert radius < to_middle[~seen].min()
                    # Black is 0.2 of 20 pixels, 0.8 to 1.2 times that.
                    assert 0.75 * 20 <= radius <= 0.85 * 20
                else:
                    kinds.add('frame')
                    rows, columns = seen.any(1), seen.any(0)
                    assert np.array_equal(seen, rows[:, None] & columns)
                    assert (~rows).sum() <= 2 * 0.24 * 40 + 1
                    assert (~columns).sum() <= 2 * 0.24 * 60 + 1
        assert kinds >= {'disc', 'frame'}

    def test_black_borders_spare_masks_of_which_too_little_would_be_left(self):
        masks = np.zeros((12, 40, 40), np.uint8)
        masks[:6, 0:6, 0:6] = 1  # in a corner
        masks[6:, 10:30, 10:30] = 1
        image = np.ones(masks.shape, np.float32)
        image[:, 20, 20] = 0
        spared = cut = 0
        for seed in range(20):
            images, found = acquired(image, masks, 0.01, seed, black_borders=0.3)
            assert found.mean((1, 2)).min() >= 0.01
            assert (found <= masks).all()
            for one, mask, before in zip(images, found, masks):
                black = (one == 0).sum() > 1
                spared += not black and before[0, 0] == 1
                cut += black and before[0, 0] == 0
                if not black:
                    assert np.array_equal(mask, before)
        assert spared >= 40 and cut >= 100


class TestErrors:
    @pytest.mark.parametrize(
        'values, message',
        [
            (
                dict(appearance=dict(contrsat=(0.1, 0.2))),
                "appearance has no 'contrsat'; it has contrast, texture, gradient",
            ),
            (dict(changes=dict(noise=1)), "changes has no 'noise'; it has any_way, "),
            (dict(acquisition=dict(blur=1)), "acquisition has no 'blur'; it has neg"),
            (
                dict(appearance=dict(contrast=0.1)),
                'appearance.contrast must be (lowest, highest), found 0.1',
            ),
            (
                dict(appearance=dict(boundary=(0.1, 0.2))),
                'appearance.boundary must be (chance, lowest, highest), found (0.1, 0',
            ),
            (
                dict(appearance=dict(gradient=(0.1, 0.2))),
                'appearance.gradient must be a number, found (0.1, 0.2)',
            ),
            (
                dict(appearance=dict(noise=(0.2, 0.1))),
                'appearance.noise must be (lowest, highest) from 0 and in this order, '
                'found (0.2, 0.1)',
            ),
            (
                dict(changes=dict(shift=(-0.1, 0.1))),
                'changes.shift must be (lowest, highest) from 0 and in this order',
            ),
            (
                dict(appearance=dict(gradient=-1)),
                'appearance.gradient must be a number from 0, found -1',
            ),
            (
                dict(acquisition=dict(rician=(0.5, 0.2, 0.1))),
                'acquisition.rician must be (chance, lowest, highest) from 0 and in',
            ),
            (
                dict(acquisition=dict(speckle=(1.5, 0.1, 0.2))),
                'acquisition.speckle must begin with a chance from 0 to 1, found (1.5',
            ),
            (
                dict(appearance=dict(gradient='0.1')),
                "appearance.gradient must be a number, found '0.1'",
            ),
            (
                dict(appearance=dict(bias=('0.1', 0, 1))),
                'appearance.bias must be (chance, lowest, highest), found',
            ),
            (
                dict(changes=dict(scale='ab')),
                "changes.scale must be (lowest, highest), found 'ab'",
            ),
            (
                dict(changes=dict(any_way=None)),
                'changes.any_way must be a number, found None',
            ),
            (
                dict(changes=dict(scale=(0.1, float('inf')))),
                'changes.scale must be (lowest, highest), found (0.1, inf)',
            ),
            (
                dict(changes=dict(scale=((0.1, 0.2),))),
                'changes.scale must be (lowest, highest), found ((0.1, 0.2),)',
            ),
            (
                dict(appearance=dict(inverted=1.1)),
                'appearance.inverted must be at most 1',
            ),
            (
                dict(appearance=dict(by_texture=0.6, by_place=0.6)),
                'together, found 0.5, 0.6 and 0.6',
            ),
            (
                dict(appearance=dict(blur=(0, 1))),
                'appearance.blur is drawn in the logarithm and must be above 0, found',
            ),
            (
                dict(changes=dict(any_way=1.5)),
                'changes.any_way, missing and repeated must be chances of at most 1, '
                'found 1.5',
            ),
            (
                dict(changes=dict(missing=(0.1, 0.5, 2))),
                'changes.any_way, missing and repeated must be chances of at most 1',
            ),
            (
                dict(changes=dict(faint=(0.5, 0.3, 1.2))),
                'changes.faint must be a share of at most 1, found (0.5, 0.3, 1.2)',
            ),
            (
                dict(changes=dict(elastic_cells=(0, 4))),
                'changes.elastic_cells must be above 0, found (0, 4)',
            ),
            (
                dict(acquisition=dict(black_borders=(0.1, 0.1, 0.5))),
                'acquisition.black_borders must be below 0.5',
            ),
            (
                dict(acquisition=dict(low_resolution=(0.1, 0.5, 2))),
                'acquisition.low_resolution must be from 1',
            ),
            (
                dict(acquisition=dict(compression=(0.1, 10, 101))),
                'compression from 1 to 100',
            ),
            (
                dict(families=dict(blob=1.0)),
                "there is no family 'blob' of label maps, only regions, cells, blobs",
            ),
            (
                dict(families=dict(blobs=1.0, cells=-1.0)),
                'families.cells must be a weight from 0, found -1.0',
            ),
            (
                dict(families=dict(blobs='often')),
                "families.blobs must be a weight from 0, found 'often'",
            ),
            (
                dict(families=dict(blobs=float('nan'))),
                'families.blobs must be a weight from 0, found nan',
            ),
            (
                dict(families=dict(blobs=0, cells=0.0)),
                "families must have a weight above 0, found {'blobs': 0, 'cells': 0.0}",
            ),
            (dict(families={}), 'families must have a weight above 0, found {}'),
        ],
    )
    def test_name_the_key_the_value_and_what_is_wanted(self, values, message):
        with pytest.raises(ValueError, match=re.escape(message)):
            SyntheticTasksDataset(**values)

    def test_lists_serve_as_well(self):
        dataset = SyntheticTasksDataset(
            appearance=dict(contrast=[1, 2]), families=dict(lesion=2, blobs=0)
        )
        assert dataset.appearance.contrast == [1, 2]
        assert {f.__name__: w for f, w in dataset.families.items()} == {
            'lesion': 2,
            'blobs': 0,
        }


def scenes(name, number=20, size=(96, 96), **changes):
    """Scenes of a family, each with four of its label maps."""
    family = {f.__name__: f for f in (*FAMILIES, *HARDER_FAMILIES)}[name]
    for seed in range(number):
        rng = np.random.default_rng(seed)
        scene = family(rng, size, Changes(**changes))
        yield scene, scene.draw(rng, 4)


def whole_objects(mask):
    """Masks of the components that do not reach the image's border."""
    count, parts, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    height, width = mask.shape
    for n in range(1, count):
        left, top, wide, high, area = stats[n]
        if left and top and left + wide < width and top + high < height and area > 8:
            yield parts == n


def elongation(mask):
    """Long by short axis."""
    ratio = np.linalg.eigvalsh(second_moments(mask)[1])
    return np.sqrt(ratio[1] / ratio[0])


class TestFamilies:
    def test_anatomy_has_more_organs_than_tissues(self):
        fewer = []
        for scene, labels in scenes('anatomy', 40):
            assert len(scene.tissues) == len(scene.chances) > labels.max()
            fewer.append(len(set(scene.tissues)) < len(scene.tissues))
            crescent, ring, cavity = scene.tissues[-3:]
            if scene.chances[-3:] == [1.5, 1.5, 1.5]:
                assert crescent == cavity != ring
                assert fewer[-1]
        assert np.mean(fewer) > 0.75

    def test_lesion_is_the_only_one_and_small(self):
        for _, labels in scenes('lesion', 30):
            for label in labels:
                spot = (label == 3).astype(np.uint8)
                assert cv2.connectedComponents(spot)[0] <= 2
                assert spot.mean() < 0.3
                body = cv2.dilate((label > 0).astype(np.uint8), np.ones((5, 5)))
                assert cv2.connectedComponents(body)[0] == 2  # it lies at the organ

    def test_layers_lie_on_each_other_in_their_order(self):
        numbers = set()
        for scene, labels in scenes('layers', **STILL):
            assert (np.diff(labels.astype(int), axis=1) >= 0).all()
            assert scene.graded
            numbers.add(len(scene.chances))
        assert len(numbers) >= 4

    def test_lookalikes_differ_in_size_or_in_shape_alone(self):
        by_size = by_shape = 0
        for scene, labels in scenes('lookalikes', size=(192, 192)):
            assert scene.tissues == (0, 1, 1)
            objects = [
                [mask for label in labels for mask in whole_objects(label == kind)]
                for kind in (1, 2)
            ]
            if min(map(len, objects)) < 3:
                continue
            small, large = sorted(
                np.median([mask.sum() for mask in masks]) for masks in objects
            )
            round_, long = sorted(
                np.median([elongation(mask) for mask in masks]) for masks in objects
            )
            if large > 2.5 * small:
                by_size += 1
                assert long < 1.5
            else:
                by_shape += 1
                assert long > 1.6 * round_
                assert large < 1.5 * small
        assert by_size >= 4 and by_shape >= 4

    def test_fine_vessels_are_thin_and_long(self):
        for scene, labels in scenes('fine_vessels', size=(128, 128)):
            vessels = labels[0] >= 2
            assert len(scene.chances) in (3, 4)
            depth = cv2.distanceTransform(vessels.astype(np.uint8), cv2.DIST_L2, 3)
            # Where they are widest, a tube of 0.045 has a mean depth of a quarter.
            assert depth[vessels].mean() < 0.02 * 128
            assert np.ptp(np.argwhere(vessels), axis=0).max() > 64

    def test_packed_objects_are_many_and_hardly_overlap(self, monkeypatch):
        drawn = []
        outlines = anatomies.blob_outlines

        def noted(rng, centres, radii, *others):
            drawn.append((centres, np.broadcast_to(radii, len(centres)), len(others)))
            return outlines(rng, centres, radii, *others)

        monkeypatch.setattr(anatomies, 'blob_outlines', noted)
        numbers = []
        for scene, labels in scenes('packed'):
            assert labels.max() <= len(scene.chances) - 1 <= 2
            if len(scene.chances) == 3:
                drawn[:] = drawn[1::2]  # without the debris, which comes first
            assert len(drawn) == 4
            for centres, radii, _ in drawn:
                apart = np.linalg.norm(centres[:, None] - centres, axis=-1)
                apart[np.diag_indices(len(apart))] = np.inf
                assert (apart >= 0.95 * (radii[:, None] + radii)).all()
                numbers.append(len(centres))
            drawn.clear()
        assert np.median(numbers) >= 8

    def test_ringed_and_nested_objects_lie_inside_one_another(self):
        inside = defaultdict(list)
        for _, labels in scenes('nested'):
            for label in labels:
                core = label >= 3
                around = cv2.dilate(core.astype(np.uint8), np.ones((3, 3))) > core
                inside['nested'].append((label[around] == 2).mean())
        for scene, labels in scenes('ringed'):
            cavity = len(scene.chances) - 1
            core = labels[0] == cavity
            around = cv2.dilate(core.astype(np.uint8), np.ones((3, 3))) > core
            inside['ringed'].append((labels[0][around] == cavity - 1).mean())
        assert np.mean(inside['nested']) > 0.7
        assert np.mean(inside['ringed']) > 0.8

    def test_membranes_are_one_net_around_many_cells(self):
        shares = []
        for _, labels in scenes('membranes'):
            walls = (labels[0] == 0).astype(np.uint8)
            sizes = cv2.connectedComponentsWithStats(walls)[2][1:, cv2.CC_STAT_AREA]
            shares.append(sizes.max() / sizes.sum())
            assert half_width(walls) < 0.15 * 96
        assert np.median(shares) > 0.95

    @pytest.mark.parametrize('name', ['instances', 'packed', 'lookalikes', 'lesion'])
    def test_images_of_many_objects_are_drawn_afresh(self, name):
        for _, labels in scenes(name, 5, **STILL):
            assert len({label.tobytes() for label in labels}) == 4

    @pytest.mark.parametrize('name', ['regions', 'cells', 'blobs', 'layers', 'anatomy'])
    def test_images_of_one_anatomy_are_alike_but_for_changes(self, name):
        for _, labels in scenes(name, 5, **STILL):
            assert (labels == labels[0]).all()
        for _, labels in scenes(name, 5):
            assert len({label.tobytes() for label in labels}) > 1
