"Slow: every network of the registry is built with random weights; its width, and what it receives of black and of white."

import keras
import numpy as np
import pytest

from cardioteach.backbones import BACKBONES, backbone

WIDTHS = {  # features after the average over the plane
    "tiny": 128,
    "vgg16": 512,
    "resnet50": 2048,
    "resnet50v2": 2048,
    "inceptionv3": 2048,
    "densenet121": 1024,
    "xception": 2048,
    "mobilenet": 1024,
    "mobilenet-0.75": 768,
    "mobilenet-0.5": 512,
    "mobilenet-0.25": 256,
    "mobilenetv2": 1280,
    "nasnetmobile": 1056,
    "efficientnetb0": 1280,
}
ONE_TO_ONE = ((-1, -1, -1), (1, 1, 1))
LESS_MEANS = ((-103.939, -116.779, -123.68), (151.061, 138.221, 131.32))
BY_SPREADS = ((-2.1179, -2.0357, -1.8044), (2.2489, 2.4286, 2.64))
RECEIVED = {  # what the network itself is given for black and for white, in its three channels
    "vgg16": LESS_MEANS,
    "resnet50": LESS_MEANS,
    "densenet121": BY_SPREADS,
    "efficientnetb0": ((0, 0, 0), (255, 255, 255)),
}
pytestmark = pytest.mark.slow
each = pytest.mark.parametrize("name", BACKBONES)


@pytest.fixture(scope="module")
def built():
    "Each network at the smallest size it takes, made once."
    made = {}

    def build(name):
        if name not in made:
            made[name] = backbone(name, "none", BACKBONES[name].smallest)
        return made[name]

    return build


def inner(net):
    "The network itself, behind its scaling."
    return next(layer for layer in net.layers if isinstance(layer, keras.Model))


def received(net, image):
    "What the network itself is given of an image, (size, size, channels)."
    scaling = keras.Model(net.input, net.layers[net.layers.index(inner(net)) - 1].output)
    return np.asarray(scaling(image[None, ..., None]))[0]


def test_no_network_is_left_out():
    assert WIDTHS.keys() == BACKBONES.keys()


@each
def test_width(name, built):
    net = built(name)
    assert net.output_shape == (None, WIDTHS[name]) and BACKBONES[name].width == WIDTHS[name]
    assert net.input_shape[1:] == (BACKBONES[name].smallest, BACKBONES[name].smallest, 1)
    assert not net.trainable_weights


@each
def test_black_and_white_arrive_in_the_range_of_the_network(name, built):
    net, size = built(name), BACKBONES[name].smallest
    extremes = [received(net, np.full((size, size), value, np.uint8)) for value in (0, 255)]
    if name == "tiny":  # each image is standardised by itself: no contrast, nothing left
        assert not np.any(extremes)
        halves = np.zeros((size, size), np.uint8)
        halves[:, size // 2 :] = 255
        extremes = [received(net, halves)[:, half] for half in (slice(size // 2), slice(size // 2, None))]
        expected = ((-1,), (1,))
    else:
        expected = RECEIVED.get(name, ONE_TO_ONE)
    for found, channels in zip(extremes, expected, strict=True):
        np.testing.assert_allclose(found, np.broadcast_to(channels, found.shape), atol=1e-2)


@each
def test_grey_images_give_finite_features(name, built):
    images = np.random.default_rng(0).integers(0, 256, (2, *built(name).input_shape[1:]), dtype=np.uint8)
    features = built(name).predict_on_batch(images)
    assert features.dtype == np.float32 and np.isfinite(features).all()


def test_efficientnet_scales_inside():
    "Its pixels arrive as they are: its own first layers bring them to about -2 to 3."
    first = [layer.__class__.__name__ for layer in inner(backbone("efficientnetb0", "none", 32)).layers[:4]]
    assert "Rescaling" in first and "Normalization" in first
