import math

from monitor.detection.records import LATE, PATIENCE, EvaluationMark, assemble, is_complete

MARK = EvaluationMark(attempt=0, index=3, step=40, epoch=3.5, expects=frozenset({"Q", "D"}))


def test_a_record_is_complete_when_all_that_is_expected_has_arrived() -> None:
    assert not is_complete({"Q"}, {"Q", "D"}, successors=0)
    assert is_complete({"Q", "D", "wn_G"}, {"Q", "D"}, successors=0)


def test_the_next_mark_ends_the_waiting() -> None:
    assert is_complete((), {"Q", "D"}, successors=1)


def test_what_comes_late_is_waited_for_beyond_the_next_marks_but_not_for_ever() -> None:
    expected = {"Q", "D", LATE}
    assert not is_complete({"Q"}, expected, successors=PATIENCE - 1)
    assert is_complete({"Q", "D"}, expected, successors=0)
    assert is_complete({"Q"}, expected, successors=PATIENCE)
    assert is_complete((), expected, successors=math.inf)


def test_what_happened_since_the_mark_before_is_its_mean_and_for_angles_its_maximum() -> None:
    record = assemble(MARK, {"Q": 0.5}, {"S_G": [1.0, 2.0, 6.0], "loss_D": [1.0, 3.0]})
    assert record == {"epoch": 3.5, "Q": 0.5, "S_G": 3.0, "S_G_max": 6.0, "loss_D": 2.0}


def test_a_mean_leaves_out_what_is_not_finite_and_is_not_a_number_where_nothing_else_is() -> None:
    record = assemble(MARK, {}, {"loss_G": [1.0, math.nan, math.inf, 3.0], "S_D": [math.nan], "S_G": []})
    assert record["loss_G"] == 2.0
    assert math.isnan(record["S_D"])
    assert math.isnan(record["S_D_max"])
    assert "S_G" not in record


def test_what_names_the_mark_goes_before_what_happened_on_the_way() -> None:
    assert assemble(MARK, {"S_G": 9.0}, {"S_G": [1.0]})["S_G"] == 9.0


def test_learning_rates_are_called_as_the_detector_calls_them() -> None:
    assert assemble(MARK, {"lr_G": 1e-4, "lr_D": 2e-4}, {})["lr_g"] == 1e-4


def test_without_an_epoch_the_marks_number_stands_for_it() -> None:
    assert assemble(EvaluationMark(0, 7, 70, None, frozenset()), {}, {})["epoch"] == 7.0
