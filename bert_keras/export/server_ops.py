"""What each release of TensorFlow Serving can run: facts about others' programs, with where they were read.

- Which TensorFlow Text a server holds: `tensorflow_serving/workspace.bzl` of its branch: 2.12.1 in 2.12 to 2.19, 2.20.0
  in 2.20. `tensorflow_serving/model_servers/BUILD` links `tensorflow_text:ops_lib`, the ops of which are those in
  `tensorflow_text/BUILD`; which of them there were was read off the wheels 2.12.1 and 2.20.0.
- TensorFlow's own ops and their attributes: compared over the wheels of 2.12 to 2.21, release by release. Ops for TPUs
  are left out.
- TensorFlow Decision Forests' ops for inference, which the same BUILD file links: its `ops/inference/op.cc`.
  Struct2Tensor is not linked.
"""

# Releases that are looked at. A server of a release holds the TensorFlow of the same release.
RELEASES = tuple((2, minor) for minor in range(12, 21))

TEXT_OPS = frozenset(
    """
    CaseFoldUTF8 ConstrainedSequence FastBertNormalize FastWordpieceTokenizeWithOffsets FindSourceOffsets
    MaxSpanningTree NormalizeUTF8 NormalizeUTF8WithOffsetsMap PhraseTokenize RegexSplitWithOffsets RougeL
    SentenceFragments SentenceFragmentsV2 SentencepieceDetokenizeOp SentencepieceIdToStringOp SentencepieceOp
    SentencepieceStringToIdOp SentencepieceTokenizeOp SentencepieceTokenizeWithOffsetsOp SentencepieceVocabSizeOp
    SplitMergeTokenizeWithOffsets TokenizerFromLogits UnicodeScriptTokenizeWithOffsets WhitespaceTokenizeWithOffsets
    WordpieceTokenizeWithOffsets TFText>BoiseTagsToOffsets TFText>ByteSplitByOffsets TFText>ByteSplitWithOffsets
    TFText>FastSentencepieceDetokenize TFText>FastSentencepieceTokenize TFText>FastWordpieceDetokenize
    TFText>NgramsStringJoin TFText>OffsetsToBoiseTags TFText>PhraseDetokenize TFText>WhitespaceTokenizeWithOffsetsV2
    """.split()
)
FOREST_OPS = frozenset(
    """
    SimpleMLCreateModelResource SimpleMLInferenceLeafIndexOpWithHandle SimpleMLInferenceOp
    SimpleMLInferenceOpWithHandle SimpleMLLoadModelFromPath SimpleMLLoadModelFromPathWithHandle
    """.split()
)

# Since which release a server has an op that it had not in 2.12.
OPS_SINCE = {
    **dict.fromkeys("TFText>RoundRobinGenerateMasks TFText>RoundRobinTrim TFText>Utf8Binarize".split(), (2, 20)),
    **dict.fromkeys(
        """
        CollectiveAllToAllV2 DebugIdentityV3 RaggedFillEmptyRows RaggedFillEmptyRowsGrad SegmentMaxV2 SegmentMinV2
        SnapshotChunkDataset
        """.split(),
        (2, 13),
    ),
    **dict.fromkeys(
        """
        Conv RelayoutLike SparseSegmentMeanGradV2 SparseSegmentSqrtNGradV2 SparseSegmentSumGradV2 TFRecordDatasetV2
        """.split(),
        (2, 14),
    ),
    **dict.fromkeys("FFTND IFFTND IRFFTND RFFTND".split(), (2, 15)),
    **dict.fromkeys("DatasetFingerprint ListSnapshotChunksDataset".split(), (2, 16)),
    **dict.fromkeys(
        "GlobalShuffleDataset IndexFlatMapDataset IteratorGetModelProto WeightedFlatMapDataset".split(), (2, 17)
    ),
    "CheckPinned": (2, 18),
    "DecodeWebP": (2, 20),
    "DecodeJxl": (2, 21),
}

# Since which release an op knows an attribute. One that has its default value is not written into a SavedModel, any
# other stops an earlier server.
ATTRIBUTES_SINCE = {
    ("DatasetCardinality", "cardinality_options"): (2, 13),
    ("TensorListSetItem", "resize_if_index_out_of_bounds"): (2, 13),
    ("TopKV2", "index_type"): (2, 13),
    **{
        (f"SparseSegment{kind}", "sparse_gradient"): (2, 15)
        for name in ("Mean", "SqrtN", "Sum")
        for kind in (name, f"{name}WithNumSegments")
    },
    ("VarHandleOp", "debug_name"): (2, 15),
    **{(f"BatchMatMul{version}", f"grad_{side}"): (2, 16) for version in ("", "V2", "V3") for side in "xy"},
    **{("MatMul", f"grad_{side}"): (2, 16) for side in "ab"},
    ("GatherNd", "bad_indices_policy"): (2, 17),
    **{
        (f"{kind}{what}", "bad_indices_policy"): (2, 18)
        for kind, some in (
            ("ResourceScatterNd", ("Add", "Max", "Min", "Sub", "Update")),
            ("ScatterNd", ("", "Add", "Max", "Min", "Sub", "Update", "NonAliasingAdd")),
            ("TensorScatter", ("Add", "Max", "Min", "Sub", "Update")),
        )
        for what in some
    },
    ("MapDataset", "force_synchronous"): (2, 18),
}
