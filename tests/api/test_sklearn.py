"""MakeMore beside scikit-learn: its checks of estimators, cross-validation, searches, pipelines."""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import sklearn.utils.estimator_checks as checks
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, LabelEncoder
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from api.conftest import like_names, tiny
from makemore import MakeMore

LINES = like_names(120)
ENDS = [line[-1] for line in LINES]  # a label that the line itself shows


def rows_as_lines(rows: Any) -> Any:
    """Each row of numbers as a line: a symbol for each column and range of values."""
    if hasattr(rows, "toarray"):  # sparse: as it came
        return rows
    rows = np.asarray(rows)
    rows = rows.astype(float) if rows.dtype == object else rows
    if rows.ndim != 2 or rows.dtype.kind not in "biuf":
        return rows
    if not np.isfinite(rows).all():
        raise ValueError("NaN or infinity")
    bins = np.clip(rows * 2 + 6, 0, 11).astype(int)
    return ["".join(chr(256 + 12 * column + b) for column, b in enumerate(row)) for row in bins]


class OfRows(MakeMore):
    """A MakeMore that takes rows of numbers, as the checks give them."""

    def __init__(self, model: str = "ngram", *, random_state: Any = None, **options: Any) -> None:
        super().__init__(model, random_state=random_state, **options)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.one_d_array = True, False
        tags.input_tags.string = False
        return tags

    def fit(self, X: Any, y: Any = None) -> OfRows:  # type: ignore[override]
        super().fit(rows_as_lines(X), y)
        return self

    def score_samples(self, X: Any) -> Any:
        return super().score_samples(rows_as_lines(X))

    def predict(self, X: Any) -> Any:
        return super().predict(rows_as_lines(X))

    def predict_proba(self, X: Any) -> Any:
        return super().predict_proba(rows_as_lines(X))


# Of a MakeMore as it is: these give it no lines.
AS_IT_IS = """
    do_not_raise_errors_in_init_or_set_params estimator_cloneable estimator_repr
    estimator_tags_renamed estimators_unfitted get_params_invariance mixin_order
    no_attributes_set_in_init parameters_default_constructible set_params valid_tag_types
""".split()
# Of one that is fed lines made of their rows; with labels, where they are y.
FED = """
    classifiers_one_label classifiers_regression_target dict_unchanged
    dont_overwrite_parameters estimator_sparse_array estimator_sparse_matrix
    estimator_sparse_tag estimators_dtypes estimators_fit_returns_self
    estimators_overwrite_params estimators_pickle f_contiguous_array_estimator
    fit1d fit2d_1feature fit2d_1sample fit_check_is_fitted fit_idempotent fit_score_takes_y
    inplace_ensure_writeable methods_sample_order_invariance methods_subset_invariance
    n_features_in_after_fitting non_transformer_estimators_n_iter pipeline_consistency
    positive_only_tag_during_fit readonly_memmap_input requires_y_none supervised_y_no_nan
""".split()
OF_LABELS = """
    classifier_data_not_an_array classifiers_classes classifiers_train decision_proba_consistency
""".split()
NOT_APPLICABLE = {
    "it has no transform": """transformer_data_not_an_array transformer_general transformer_n_iter
        transformer_get_feature_names_out transformer_get_feature_names_out_pandas
        transformer_preserve_dtypes transformers_unfitted transformers_unfitted_stateless
        get_feature_names_out_error set_output_transform set_output_transform_pandas
        set_output_transform_polars global_output_transform_pandas
        global_set_output_transform_polars""",
    "it is no regressor, cluster or outlier estimator": """regressor_data_not_an_array
        regressor_multioutput regressors_int regressors_no_decision_function regressors_train
        clusterer_compute_labels_predict clustering outlier_contamination outlier_corruption
        outliers_fit_predict outliers_train""",
    "fit takes no sample_weight, no class_weight": """all_zero_sample_weights_error
        class_weight_balanced_classifiers class_weight_balanced_linear_classifier
        class_weight_classifiers classifiers_one_label_sample_weights
        sample_weight_equivalence_on_dense_data sample_weight_equivalence_on_sparse_data
        sample_weights_list sample_weights_not_an_array sample_weights_not_overwritten
        sample_weights_pandas_series sample_weights_shape""",
    "a line has one label; several are refused": """classifier_multioutput
        classifiers_multilabel_output_format_decision_function
        classifiers_multilabel_output_format_predict
        classifiers_multilabel_output_format_predict_proba
        classifiers_multilabel_representation_invariance classifier_not_supporting_multiclass
        supervised_y_2d""",
    "about numbers, their columns and their array library, and messages that name them": """
        array_api_input array_api_input_and_values array_api_mixed_inputs
        array_api_same_namespace complex_data dataframe_column_names_consistency dtype_object
        estimators_data_not_an_array estimators_empty_data_messages estimators_nan_inf
        fit2d_predict1d fit_non_negative n_features_in nonsquare_error sparsify_coefficients""",
    "it has no partial_fit, no _parameter_constraints": """
        estimators_partial_fit_n_features param_validation""",
    "no check of an estimator": "estimator is_fitted classifiers_predictions",
}


def test_every_check_of_scikit_learn_is_run_or_has_a_reason() -> None:
    there = {name.removeprefix("check_") for name in dir(checks) if name.startswith("check_")}
    named = [*AS_IT_IS, *FED, *OF_LABELS, *" ".join(NOT_APPLICABLE.values()).split()]
    assert sorted(named) == sorted(there)


@pytest.fixture
def noisy() -> Iterator[None]:
    """The checks may warn that MakeMore does not inherit from BaseEstimator."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize("name", AS_IT_IS)
def test_checks_of_an_estimator(name: str, noisy: None) -> None:
    getattr(checks, f"check_{name}")("MakeMore", MakeMore("ngram", order=2))


@pytest.mark.parametrize("name", FED)
def test_checks_that_are_fed_lines(name: str, noisy: None) -> None:
    getattr(checks, f"check_{name}")("OfRows", OfRows(order=2))


@pytest.mark.parametrize("name", OF_LABELS)
def test_checks_of_labels_that_are_fed_lines(name: str, noisy: None) -> None:
    getattr(checks, f"check_{name}")("OfRows", OfRows(order=2, labels=True))


def test_tags_say_what_it_takes() -> None:
    tags = get_tags(MakeMore())
    assert (tags.estimator_type, tags.input_tags.string, tags.input_tags.two_d_array) == (
        "density_estimator", True, False,
    )  # fmt: skip
    assert not tags.target_tags.required and tags.requires_fit
    maker = tiny("ngram").fit(LINES, ENDS)
    assert is_classifier(maker) and is_classifier(MakeMore(labels=True))
    assert not is_classifier(maker.fit(LINES)) and not is_classifier(clone(maker))


def test_cross_val_score_is_the_score_of_each_fold() -> None:
    scores = cross_val_score(MakeMore("ngram", order=3), LINES, cv=3)
    parts = LINES[40:], LINES[:40]
    assert scores[0] == MakeMore("ngram", order=3).fit(parts[0]).score(parts[1])
    assert scores.shape == (3,)
    same = cross_val_score(MakeMore("ngram", order=3), np.array(LINES), cv=3)
    assert same.tolist() == scores.tolist()


def test_scorers_of_labels_take_it() -> None:
    maker = MakeMore("ngram", order=3)
    right = cross_val_score(maker, LINES, ENDS, cv=3, scoring="accuracy")
    assert (right > 0.7).all()
    likely = cross_val_score(maker, LINES, ENDS, cv=3, scoring="neg_log_loss")
    assert (likely > -np.log(4)).all()  # better than to guess among 4
    encoded = LabelEncoder().fit_transform([end in "ae" for end in ENDS])
    assert (cross_val_score(maker, LINES, encoded, cv=3, scoring="roc_auc") > 0.9).all()
    labelled = MakeMore("ngram", order=3, labels=True)
    shares = cross_val_predict(labelled, LINES, ENDS, cv=3, method="predict_proba")
    assert shares.shape == (120, 4) and np.allclose(shares.sum(axis=1), 1)


def test_a_grid_search_over_model_and_order() -> None:
    small_bow = {"model": ["bow"], "n_embd": [8], "max_steps": [1], "threads": [1]}
    grid = [{"model": ["ngram"], "order": [1, 3]}, small_bow]
    search = GridSearchCV(MakeMore(random_state=0), grid, cv=2).fit(LINES)
    assert search.best_params_ == {"model": "ngram", "order": 3}
    assert search.best_estimator_.get_params()["order"] == 3
    assert search.score(LINES) == MakeMore("ngram", order=3).fit(LINES).score(LINES)


def test_a_pipeline_hands_its_lines_on() -> None:
    pipeline = make_pipeline(FunctionTransformer(upper), MakeMore("ngram", order=3)).fit(LINES)
    capital = MakeMore("ngram", order=3).fit(upper(LINES))
    assert pipeline.score(LINES) == capital.score(upper(LINES))
    assert pipeline[-1].sample(5, 1) == capital.sample(5, 1)
    named = Pipeline([("maker", MakeMore("ngram"))])
    assert GridSearchCV(named, {"maker__order": [1, 3]}, cv=2).fit(LINES).best_params_ == {
        "maker__order": 3
    }
    assert "MakeMore" in pipeline._repr_html_()


def upper(lines: list[str]) -> list[str]:
    return [line.upper() for line in lines]


@pytest.mark.slow
def test_joblib_searches_in_two_processes() -> None:
    grid = {"order": [1, 3], "random_state": [np.random.RandomState(1)]}
    alone, two = (GridSearchCV(MakeMore("ngram"), grid, cv=2, n_jobs=n).fit(LINES) for n in (1, 2))
    for name in ("mean_test_score", "split0_test_score"):
        assert two.cv_results_[name].tolist() == alone.cv_results_[name].tolist()


@pytest.mark.parametrize("model", ["ngram", "gru", "ensemble"])
def test_a_fitted_maker_is_pickled_whole(model: str) -> None:
    maker = tiny(model).fit(LINES, [10 if end in "ae" else 2 for end in ENDS])
    again = pickle.loads(pickle.dumps(maker))  # noqa: S301 (our own)
    assert again.sample(5, 1) == maker.sample(5, 1) and again.get_params() == maker.get_params()
    assert again.classes_.tolist() == [2, 10]
    assert again.predict_proba(LINES[:3]).tolist() == maker.predict_proba(LINES[:3]).tolist()


def test_clone_keeps_parameters_and_forgets_what_was_learned() -> None:
    state = np.random.RandomState(3)
    maker = tiny("ngram", order=np.int64(3), random_state=state, verbose=0).fit(LINES)
    copy = clone(maker)
    params = maker.get_params()
    assert copy.get_params().keys() == params.keys()
    assert copy.get_params()["verbose"] == 0 and copy.get_params()["order"] == 3
    assert copy.plan_ is None and maker.plan_ is not None
    with pytest.raises(NotFittedError):
        check_is_fitted(copy)
    check_is_fitted(maker)


def test_another_model_is_fitted_after_its_options_are_taken_back() -> None:
    maker = MakeMore("ngram", order=2).set_params(model="bigram")
    message = r"^unknown option 'order' \(bigram has none\): leave it out; set_params\(order=None\)"
    with pytest.raises(ValueError, match=message):
        maker.fit(LINES)
    maker.set_params(order=None).fit(LINES)
    assert maker.sample(5, 1) == MakeMore("bigram").fit(LINES).sample(5, 1)
    assert clone(maker).fit(LINES).sample(5, 1) == maker.sample(5, 1)


def test_a_shallow_copy_has_parameters_of_its_own() -> None:
    maker = MakeMore("ngram", order=2)
    assert copy.copy(maker).set_params(order=3).get_params()["order"] == 3
    assert maker.get_params()["order"] == 2 and copy.copy(maker).get_params()["order"] == 2


def test_a_random_state_is_cloned_each_time() -> None:
    maker = MakeMore("ngram", random_state=np.random.RandomState(1))
    seeds = [clone(each).fit(LINES).asked["seed"] for each in (maker, clone(maker))]
    fitted = [clone(each).fit(LINES) for each in (maker, clone(maker), maker)]
    assert seeds[0] == seeds[1] and len({f.plan_.recipe.seed for f in fitted if f.plan_}) == 1


def test_before_fit_the_error_is_scikit_learns_too() -> None:
    with pytest.raises(NotFittedError, match="^nothing was learned yet: call fit first") as caught:
        MakeMore().predict(["a"])
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 (as joblib sends it)
    assert isinstance(again, NotFittedError) and str(again) == str(caught.value)
    assert not hasattr(MakeMore(), "classes_")


def test_set_params_refuses_what_no_model_has() -> None:
    maker = MakeMore("ngram")
    with pytest.raises(ValueError, match="^Invalid parameter 'ordr' for estimator MakeMore.*order"):
        maker.set_params(order=2, ordr=3)
    assert maker.get_params() == {"model": "ngram", "random_state": None, "time": None}
    assert maker.set_params(n_hidden=3).get_params()["n_hidden"] == 3  # of a model to come
