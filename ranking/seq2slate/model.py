"""The pointer network: an encoder reads the items in base order, an LSTM decoder points at the next one."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from ranking.reranker_choices import EncoderKind
from ranking.seq2slate.encoders import LstmEncoder, TransformerEncoder
from ranking.seq2slate.nearness import Nearness
from ranking.seq2slate.settings import Seq2SlateSettings
from ranking.seq2slate.starting_logits import StartingLogits

MASKED_LOGIT = -1e9


class Encoded(NamedTuple):
    """What the decoder needs of a batch of lists.

    Attributes:
        features: float `[batch, list_size, features]`, the items as the decoder will read them back.
        projected: float `[batch, list_size, rho]`, `W_enc e_i`, computed once.
        coordinates: float `[batch, list_size, features or 0]`, see `Nearness.coordinates`.
        state: the decoder's first state, two floats `[batch, rho]`; of an LSTM its last, as of the last item
            that is no padding.
    """

    features: tf.Tensor
    projected: tf.Tensor
    coordinates: tf.Tensor
    state: list[tf.Tensor]


class DecoderState(NamedTuple):
    """The decoder between two steps.

    Attributes:
        inputs: float `[batch, features]`, `go` or the item placed last.
        state: the LSTM's, two floats `[batch, rho]`.
        nearness: float `[batch, list_size, levels]`, see `Nearness`.
    """

    inputs: tf.Tensor
    state: list[tf.Tensor]
    nearness: tf.Tensor


class Seq2Slate(tf.keras.Model):
    """The Seq2Slate model, section 3 of the paper: `p(pi | x) = prod_j p(pi_j | pi_<j, x)`.

    Args:
        feature_count: m, features of an item.
        hidden_size: rho.
        dropout: share of input features dropped while training.
        seed: fixes the initial weights and the dropout.
        dtype: `float32`, or `float64` where gradients are checked.
        encoder: see `Seq2SlateSettings`.
        encoder_layers, attention_heads: of a transformer encoder.
        nearness_levels: at how many distances the decoder sees the placed items; 0 as in the paper.
        from_base_order: whether the logits start from the base order, see `StartingLogits`; not in the paper.
    """

    def __init__(
        self,
        feature_count: int,
        hidden_size: int = 128,
        dropout: float = 0.0,
        seed: int = 0,
        dtype: str = "float32",
        encoder: EncoderKind = "lstm",
        encoder_layers: int = 2,
        attention_heads: int = 4,
        nearness_levels: int = 0,
        from_base_order: bool = False,
    ) -> None:
        super().__init__(dtype=dtype)
        self.feature_count, self.hidden_size = feature_count, hidden_size
        seeds = iter(range(1000 * seed, 1000 * seed + 100))

        def uniform() -> tf.keras.initializers.Initializer:
            return tf.keras.initializers.RandomUniform(-0.1, 0.1, seed=next(seeds))

        if encoder == "lstm":
            self.encoder = LstmEncoder(hidden_size, uniform(), uniform(), dtype)
        else:
            self.encoder = TransformerEncoder(
                hidden_size, encoder_layers, attention_heads, encoder == "transformer", 1000 * seed + 100, dtype
            )
        self.decoder = tf.keras.layers.LSTMCell(
            hidden_size, kernel_initializer=uniform(), recurrent_initializer=uniform(), dtype=dtype
        )
        self.encoder_projection = tf.keras.layers.Dense(
            hidden_size, use_bias=False, kernel_initializer=uniform(), dtype=dtype
        )
        self.decoder_projection = tf.keras.layers.Dense(
            hidden_size, use_bias=False, kernel_initializer=uniform(), dtype=dtype
        )
        self.nearness = Nearness(nearness_levels, feature_count, dtype)
        if nearness_levels:
            self.nearness_projection = self.add_weight(
                name="nearness_projection", shape=(nearness_levels, hidden_size), initializer=uniform()
            )
        self.starting_logits = StartingLogits(nearness_levels, dtype) if from_base_order else None
        self.input_dropout = tf.keras.layers.Dropout(dropout, seed=seed, dtype=dtype)
        self.first_input = self.add_weight(name="go", shape=(feature_count,), initializer=uniform())
        self.attention = self.add_weight(name="v", shape=(hidden_size,), initializer=uniform())
        self(tf.zeros((1, 1, feature_count), dtype), tf.ones((1, 1), tf.bool))

    @classmethod
    def from_settings(cls, feature_count: int, settings: Seq2SlateSettings) -> Seq2Slate:
        """A model with initial weights, as `settings` describe it."""
        return cls(
            feature_count,
            settings.hidden_size,
            0.0 if settings.training == "reinforce" else settings.dropout,
            settings.seed,
            encoder=settings.encoder,
            encoder_layers=settings.encoder_layers,
            attention_heads=settings.attention_heads,
            nearness_levels=settings.nearness_levels,
            from_base_order=settings.from_base_order,
        )

    def call(self, features: tf.Tensor, mask: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Logits of the first step, float `[batch, list_size]`: the whole one-step decoder."""
        encoded = self.encode(features, mask, training=training)
        return self.step(encoded, self.first_state(encoded))[0]

    def encode(self, features: tf.Tensor, mask: tf.Tensor, training: bool = False) -> Encoded:
        """Read lists once.

        Args:
            features: float `[batch, list_size, features]`, items in base order, padded at the end.
            mask: bool `[batch, list_size]`, true where an item stands.
            training: whether dropout applies, and gradients are taken other than of the features.
        """
        features = tf.cast(features, self.dtype)
        # Distances are between the items as they are: dropout would move them all.
        coordinates = self.nearness.coordinates(features, mask)
        features = self.input_dropout(features, training=training)
        codes = self.encoder(features, mask, training=training)
        return Encoded(features, self.encoder_projection(codes.items), coordinates, codes.state)

    def first_state(self, encoded: Encoded) -> DecoderState:
        """The state before the first step, whose input is the learned vector `go`."""
        batch = tf.shape(encoded.features)[0]
        go = tf.tile(self.first_input[tf.newaxis, :], [batch, 1])
        return DecoderState(go, encoded.state, self.nearness.of_nothing_placed(encoded.coordinates))

    def step(self, encoded: Encoded, before: DecoderState) -> tuple[tf.Tensor, DecoderState]:
        """One decoder step: `s_i = v . tanh(W_enc e_i + W_dec d)`, with nearness `+ W_near n_i` inside.

        Where the model starts from the base order, `StartingLogits` are added.

        Args:
            encoded: from `encode`.
            before: the decoder's state; nothing is placed by this method, see `placed`.

        Returns:
            Unmasked logits, float `[batch, list_size]`, and the state after the LSTM's step.
        """
        output, state = self.decoder(before.inputs, before.state)
        hidden = encoded.projected + self.decoder_projection(output)[:, tf.newaxis, :]
        if self.nearness.levels:
            hidden += tf.linalg.matmul(before.nearness, self.nearness_projection)
        logits = tf.reduce_sum(tf.tanh(hidden) * self.attention, axis=2)
        if self.starting_logits is not None:
            logits += self.starting_logits.by_rank(tf.shape(logits)[1])
            if self.nearness.levels:
                logits += self.starting_logits.by_nearness(before.nearness)
        return logits, before._replace(state=state)

    def placed(self, encoded: Encoded, before: DecoderState, chosen: tf.Tensor) -> DecoderState:
        """The state once `chosen` (int64 `[batch]`) is placed; as it was where it is -1."""
        items = tf.gather(encoded.features, tf.maximum(chosen, 0), batch_dims=1)
        return before._replace(
            inputs=tf.where((chosen >= 0)[:, tf.newaxis], items, before.inputs),
            nearness=self.nearness.after(encoded.coordinates, before.nearness, chosen),
        )
