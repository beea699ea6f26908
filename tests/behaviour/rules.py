"""Which tests hold which statement of the service's behaviour: one table for the numbered rules, one for the
worked examples and documented statements.

A name is a node of pytest; one that ends in `*` stands for every node that begins so, of which there must be
one. `test_table.py` fails where a name finds no test, and where a rule has none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Tests = tuple[str, ...]


@dataclass(frozen=True)
class Held:
    """rejects: assert code, field path and message. accepts: assert that what just keeps the rule passes.
    without: show that with the rule switched off the bad case goes through.
    """

    rejects: Tests
    accepts: Tests
    without: Tests


_RULES = "tests/sagemaker/request/test_rules.py"
_STORED = "tests/behaviour/test_rules_about_stored_jobs.py"
_WARM = "tests/behaviour/test_warm_start.py"


def _by_case(rule: str) -> Held:
    """The rules that need nothing but the request have their cases in tests/sagemaker."""
    return Held(
        rejects=(f"{_RULES}::test_a_broken_rule_gives_code_path_and_message[{rule}-*",),
        accepts=(f"{_RULES}::test_requests_that_keep_the_rule[{rule}-*",),
        without=(f"{_RULES}::test_without_the_rule_the_request_would_pass[{rule}-*",),
    )


def _stored(rule: str, file: str = _STORED) -> Held:
    """The rules that need what is stored, or the rate of requests."""
    return Held(
        rejects=(f"{file}::Test{rule}::test_rejects",),
        accepts=(f"{file}::Test{rule}::test_accepts",),
        without=(f"{file}::Test{rule}::test_without_the_rule",),
    )


def _of_parents(rule: str) -> Held:
    """The rules on the parents of a warm start."""
    return Held(
        rejects=(f"{_WARM}::test_a_broken_rule_gives_code_path_and_message[{rule}]",),
        accepts=(f"{_WARM}::test_requests_that_keep_the_rule[{rule}]",),
        without=(f"{_WARM}::test_without_the_rule_the_request_would_pass[{rule}]",),
    )


RULES: Mapping[str, Held] = {
    **{f"V{number:02}": _by_case(f"V{number:02}") for number in range(1, 35) if number not in (1, 29, 32)},
    "V01": _stored("V01"),
    "V32": _stored("V32"),
    "V29": _stored("V29", _WARM),
    "W1": Held(
        (f"{_WARM}::TestW1::test_rejects",),
        (f"{_WARM}::TestW1::test_accepts",),
        (f"{_RULES}::test_without_the_rule_the_request_would_pass[V28-1]",),
    ),
    **{rule: _of_parents(rule) for rule in ("W2", "W3", "W4", "W5", "W6", "W8")},
    "W10": _stored("W10", _WARM),
    "W11": Held(
        (f"{_RULES}::test_a_broken_rule_gives_code_path_and_message[V28-2]",),
        (f"{_RULES}::test_requests_that_keep_the_rule[V28-1]",),
        (f"{_RULES}::test_without_the_rule_the_request_would_pass[V28-2]",),
    ),
}
"""The numbered rules of sections 2.9 (V) and 9.3 (W) of docs/behaviour.md."""

_WORKED = "tests/behaviour/test_worked_examples.py"
_HYPERBAND = "tests/behaviour/test_hyperband.py"
_EARLY = "tests/behaviour/test_early_stopping.py"
_COMPLETION = "tests/behaviour/test_completion.py"
_SPOT = "tests/behaviour/test_spot.py"
_LIFE = "tests/behaviour/test_lifecycles.py"
_CLIENT = "tests/client/test_client.py"
_GP = "tests/search/core/test_gaussian_process.py"

STATEMENTS: Mapping[str, Tests] = {
    "2.1 reply and ARN": (f"{_CLIENT}::test_a_program_written_for_boto3_runs",),
    "2.2 every shape violation at once": (
        "tests/client/test_refusals.py::test_every_shape_violation_is_told_at_once",
    ),
    "2.2 cross-field rules one at a time": (f"{_RULES}::test_the_first_broken_rule_wins",),
    "2.2 a taken name comes before limits": (
        "tests/client/test_refusals.py::test_a_taken_name_comes_before_limits",
    ),
    "2.5 more in parallel than in all": (
        f"{_WORKED}::test_more_in_parallel_than_in_all_is_refused_by_the_service_alone",
    ),
    "2.9 V16: 3 x 4 x 10 = 120": (f"{_WORKED}::test_three_by_four_by_ten_are_120_combinations*",),
    "2.9 the minimal valid request": (f"{_WORKED}::test_the_minimal_valid_request",),
    "3.1 texts of bounds are echoed": (f"{_CLIENT}::TestDescribe::test_what_describe_answers",),
    "3.2 reading bounds": (
        "tests/search/test_scaling.py::test_float_bounds_as_strings*",
        "tests/search/test_scaling.py::test_texts_that_are_no_numbers*",
        "tests/search/test_scaling.py::test_integer_bounds*",
    ),
    "3.3 check values": ("tests/search/test_scaling.py::test_check_values*",),
    "3.3 decoded values are clamped": (
        "tests/search/test_scaling.py::test_ends_are_exact_where_the_plain_formula_misses_them",
    ),
    "3.3 nine tenths of a linear range": (f"{_WORKED}::test_a_linear_range_is_mostly_its_last_decade",),
    "3.4 shares of integers": (
        "tests/search/test_space.py::test_integers_have_equal_shares_on_a_linear_scale",
        "tests/search/test_space.py::test_integer_shares_on_a_logarithmic_scale",
    ),
    "3.7 texts a training job receives": (
        "tests/search/test_space.py::test_texts_a_training_program_receives",
    ),
    "4.1 names of training jobs": ("tests/running/test_runner.py::test_names_are_a_function_of_the_job",),
    "4.1 five failures and no success": (f"{_WORKED}::test_five_failures_and_no_success*",),
    "4.1 failed jobs are not replaced": (f"{_WORKED}::test_failed_jobs_use_up_the_count",),
    "4.2 optimizer x batch": (f"{_WORKED}::test_the_grid_of_the_example",),
    "4.3 no repeats in a finite space": (
        "tests/search/strategies/test_random.py::test_a_finite_space_is_used_up_without_repeats",
    ),
    "4.4 worked example": (
        f"{_HYPERBAND}::test_worked_example_minimize*",
        f"{_HYPERBAND}::test_worked_example_maximize",
    ),
    "4.4 rungs of 81": (f"{_HYPERBAND}::test_rungs_of_81",),
    "4.4 original brackets": (f"{_HYPERBAND}::test_configurations_that_the_original_starts_in_each_bracket",),
    "4.4 least and most resource": (
        f"{_HYPERBAND}::test_no_job_is_stopped_before_min_resource_and_every_job_at_max_resource",
    ),
    "4.4 what a model gives up": (
        f"{_HYPERBAND}::test_a_model_gives_up_no_job_before_three_reached_their_end",
        "tests/search/strategies/test_model_hyperband.py::test_it_finds_the_best_end_whether_early_values_tell_or_mislead*",
        "tests/search/strategies/test_model_hyperband.py::"
        "test_one_trial_in_three_is_proposed_as_bayesian_search_of_final_values_would",
    ),
    "4.4 epoch keys": (f"{_HYPERBAND}::test_max_resource_is_read_from_the_first_epoch_key*",),
    "4.4 entries of failed jobs stay": (f"{_HYPERBAND}::test_entries_of_a_job_that_fails_later_stay",),
    "4.5 the first point is the middle": (
        "tests/search/strategies/test_bayesian.py::test_the_first_point_is_the_middle_of_every_range",
    ),
    "4.6 random configurations depend on the seed alone": (
        f"{_WORKED}::test_neither_count_nor_parallelism_changes_random_configurations",
    ),
    "5.2 kernel": (f"{_GP}::test_published_kernel_values",),
    "5.3 warping": (f"{_GP}::test_published_warping_values*",),
    "5.5 expected improvement": ("tests/search/core/test_acquisition.py::test_published_values",),
    "5.6 failed configurations are excluded": (
        "tests/search/strategies/test_bayesian.py::test_failed_configurations_are_not_proposed_again",
    ),
    "5.7 worked posterior": (f"{_GP}::test_worked_posterior",),
    "6.1 extraction": ("tests/metrics/test_scanner.py::test_worked_examples*",),
    "6.2 values are shown as 32-bit floats": (
        "tests/sagemaker/reply/test_response.py::test_values_are_shown_as_32_bit_floats*",
    ),
    "6.3 the last value counts": (f"{_WORKED}::test_the_last_value_is_the_final_objective",),
    "6.4 objective status": (f"{_WORKED}::test_objective_status*",),
    "6.5 NaN and infinity": (f"{_WORKED}::test_a_last_value_that_is_no_number_fails_the_objective*",),
    "6.6 best and ties": ("tests/job/test_state.py::test_best_and_ties*",),
    "7.1 who is a predecessor": (
        f"{_EARLY}::test_only_jobs_that_ended_with_an_objective_and_are_long_enough_are_predecessors",
    ),
    "7.2 guards": (
        f"{_EARLY}::test_guard_on_the_number_of_ended_jobs*",
        f"{_EARLY}::test_guard_on_the_steps_is_a_tenth_of_the_median_length",
    ),
    "7.1 worked example": (
        f"{_EARLY}::test_running_averages_of_the_table*",
        f"{_EARLY}::test_j6_is_stopped_after_step_4_and_keeps_its_last_value",
        f"{_EARLY}::test_j7_goes_on_when_equal_and_is_stopped_when_worse",
        f"{_EARLY}::test_of_an_even_number_the_mean_of_the_middle_two*",
    ),
    "8.1 any one criterion": (f"{_COMPLETION}::test_any_one_of_several_criteria_ends_the_job",),
    "8.1 compute for planning": (f"{_WORKED}::test_upper_bound_on_compute",),
    "8.2 what runs is stopped, the job is Completed": (
        f"{_COMPLETION}::test_a_criterion_stops_what_runs_and_the_job_ends_completed",
    ),
    "8.3 target": (
        f"{_COMPLETION}::test_target_is_compared_in_32_bits_and_inclusive",
        f"{_COMPLETION}::test_target_looks_at_final_objectives_only",
    ),
    "8.4 worked table": (
        f"{_COMPLETION}::test_counter_of_the_worked_table",
        f"{_COMPLETION}::test_the_job_ends_with_the_counter*",
        f"{_COMPLETION}::test_five_go_on_to_the_end",
    ),
    "8.5 beta": (f"{_COMPLETION}::test_width_of_the_band*",),
    "8.5 convergence": (f"{_COMPLETION}::test_convergence_ends_the_job_only_if_it_is_to",),
    "8.6 details": (f"{_COMPLETION}::test_details_can_be_read_while_the_job_runs_and_after",),
    "9.2 the identical type keeps program and data": (
        f"{_WARM}::test_a_broken_rule_gives_code_path_and_message[identical]",
        f"{_WARM}::test_the_identical_type_keeps_the_program",
    ),
    "9.3 W2: any end": (f"{_WARM}::test_a_parent_may_have_ended_in_any_way*",),
    "9.3 W3: direction": (f"{_WARM}::test_a_parent_has_the_same_direction",),
    "9.3 W7: grandparents are not used": (f"{_WARM}::TestResults::test_results_of_grandparents_are_not",),
    "9.3 W8: examples": (f"{_WARM}::test_w8_examples*",),
    "9.4 counting changes": (f"{_WARM}::test_counting_changes*",),
    "9.5 results that are taken": (
        f"{_WARM}::TestResults::test_those_that_succeeded_are_given_with_where_they_are_from",
        f"{_WARM}::TestResults::test_static_and_tunable_may_change_places",
        f"{_WARM}::TestResults::test_values_outside_a_range_are_moved_or_left_out",
    ),
    "9.5 not-improving starts empty": (f"{_WARM}::test_the_not_improving_reference_starts_empty",),
    "9.6 overall best": (
        f"{_WARM}::TestOverallBest::test_of_the_identical_type_only",
        f"{_WARM}::TestOverallBest::test_it_may_be_this_job_s",
        f"{_WARM}::TestOverallBest::test_it_is_there_before_the_job_has_a_result",
    ),
    "11.2 courses": (
        f"{_SPOT}::TestCourses::test_no_interruption",
        f"{_SPOT}::TestCourses::test_one_interruption",
        f"{_SPOT}::TestCourses::test_interrupted_then_waiting_too_long",
        f"{_SPOT}::TestCourses::test_never_launched",
        f"{_SPOT}::TestCourses::test_run_limit",
    ),
    "11.2 clocks": (
        f"{_SPOT}::TestCourses::test_the_run_limit_counts_the_running_segments_of_all_attempts",
        f"{_SPOT}::TestCourses::test_the_wait_limit_covers_waiting_and_running_and_keeps_the_last_value",
    ),
    "11.3 checkpoints": (
        f"{_SPOT}::TestCheckpoints::test_with_checkpoints_a_job_goes_on_where_it_was",
        f"{_SPOT}::TestCheckpoints::test_without_them_it_restarts_from_zero",
        "tests/sagemaker/reply/test_response.py::TestTrainingJob::test_checkpoints_lie_in_a_place_of_their_own",
    ),
    "11.3 a LocalPath elsewhere": (
        "tests/executors/test_namespace.py::test_checkpoints_are_seen_at_a_path_elsewhere_by_each_job_alone",
        "tests/executors/test_container.py::test_checkpoints_lie_where_the_job_has_them",
        "tests/job/test_isolation.py::test_where_checkpoints_may_be_seen*",
    ),
    "11.4 savings": (f"{_SPOT}::TestTimesAndSavings::test_savings*",),
    "11.4 times": (
        f"{_SPOT}::TestTimesAndSavings::test_training_time_is_the_sum_of_running_segments_without_waiting",
        f"{_SPOT}::TestTimesAndSavings::test_billable_is_the_price_of_training_rounded_up_and_one_at_least*",
    ),
    "11.5 the slot stays taken": (
        f"{_SPOT}::TestCourses::test_the_primary_status_stays_in_progress_and_the_slot_stays_taken",
    ),
    "12.1 tuning jobs": ("tests/job/test_lifecycle.py::test_each_pair_of_tuning_job_statuses*",),
    "12.2 training jobs": (
        "tests/job/test_lifecycle.py::test_courses_of_training_jobs*",
        "tests/job/test_lifecycle.py::test_ways_that_do_not_exist*",
    ),
    "12.2 retries": (
        f"{_LIFE}::test_infrastructure_errors_are_retried_so_many_times*",
        f"{_LIFE}::test_a_retried_job_goes_back_to_starting",
        f"{_LIFE}::test_time_limits_cover_all_attempts_together",
    ),
    "12.2 classes of failures": (
        f"{_LIFE}::test_what_a_program_does_wrong_is_not_retried",
        f"{_LIFE}::test_out_of_memory_is_the_programs_failure",
    ),
    "12.3 invariants": (f"{_LIFE}::test_counters_add_up_after_every_event",),
    "12.3 worked example": ("tests/job/test_state.py::test_counters_of_the_worked_example",),
    "13.1 Describe": (f"{_CLIENT}::TestDescribe::test_what_describe_answers",),
    "13.2 transitions join": (f"{_CLIENT}::TestDescribe::test_a_training_job",),
    "13.3 lists of tuning jobs": (
        "tests/client/test_refusals.py::test_pages_stay_whole_while_jobs_are_created",
    ),
    "13.4 lists of training jobs": (
        f"{_CLIENT}::TestLists::test_pages_of_training_jobs",
        f"{_CLIENT}::TestLists::test_orders_and_filters_of_training_jobs",
    ),
    "13.5 paging": (
        "tests/sagemaker/reply/test_paging.py::test_pages_together_are_the_sorted_list*",
        "tests/sagemaker/reply/test_paging.py::test_entries_that_come_meanwhile_neither_repeat_nor_hide_others*",
        "tests/sagemaker/reply/test_paging.py::test_a_token_continues_one_list_only",
    ),
    "13.6 training jobs": (
        f"{_CLIENT}::TestLists::test_all_training_jobs",
        "tests/client/test_training_jobs.py::test_what_describe_says",
        "tests/client/test_training_jobs.py::test_stop_and_delete",
        "tests/client/test_training_jobs.py::test_names_are_unique_among_all_training_jobs",
        "tests/client/test_training_jobs.py::test_one_that_does_not_exist",
        "tests/sagemaker/request/test_training.py::test_broken_rules_name_the_members_of_the_request*",
    ),
    "16.1 entry points": ("tests/client/test_training_jobs.py::test_entry_point_and_arguments",),
    "13.7 search": (
        f"{_CLIENT}::TestLists::test_search",
        "tests/service/test_expressions.py::test_conditions*",
    ),
    "14 tags": (f"{_CLIENT}::test_tags", "tests/sagemaker/reply/test_tags.py::test_merging"),
    "15 quotas": ("tests/client/test_refusals.py::test_quotas_and_raising_them*",),
    "16.1 containers": (
        "tests/job/test_isolation.py::test_which_images_run_in_containers*",
        "tests/executors/test_container.py::*",
        "tests/faults/test_containers.py::*",
    ),
    "16.2 /opt/ml": ("tests/executors/test_namespace.py::*", "tests/host/test_namespace.py::*"),
    "16.2 manifests": (
        "tests/executors/test_channels.py::test_a_manifest_gives_links_by_their_names",
        "tests/host/test_manifests.py::test_names_follow_the_prefix",
    ),
    "16.2 Pipe mode": (
        "tests/executors/test_feed.py::test_each_epoch_has_all_objects_in_order",
        "tests/executors/test_feed.py::test_the_fifo_of_the_next_epoch_is_there_before_one_ends",
        "tests/executors/test_feed.py::test_shuffling_differs_by_epoch_and_is_drawn_by_its_seed",
    ),
    "16.2 RecordIO": (
        "tests/executors/test_recordio.py::test_data_that_holds_the_magic_number_comes_back",
        "tests/executors/test_feed.py::test_each_attribute_is_a_record",
    ),
    "16.2 shares": (
        "tests/executors/test_channels.py::test_shards_are_every_so_many_by_key*",
        "tests/executors/test_feed.py::test_hosts_share_each_epoch",
    ),
    "16.3 environment": ("tests/executors/test_contract.py::*",),
    "16.6 GPUs and cores": ("tests/executors/test_slots.py::*", "tests/running/test_resources.py::*"),
    "16.6 memory": ("tests/executors/test_limits.py::*",),
    "16.6 how they are asked for": (
        "tests/job/test_resources.py::*",
        "tests/sagemaker/request/test_resources.py::*",
        "tests/cli/test_resources.py::*",
    ),
    "16.4 plain results": ("tests/executors/test_artifacts.py::test_plain_files_are_copies",),
    "16.4 whole or not at all": (
        "tests/executors/test_artifacts.py::test_a_disk_that_is_full_loses_the_attempt_and_keeps_no_half*",
        "tests/executors/test_s3_transfer.py::test_a_failed_upload_leaves_nothing*",
    ),
    "6.3 several instances": (
        "tests/running/test_instances.py::test_the_objective_is_the_last_value_over_all_instances",
    ),
    "16.5 hosts": ("tests/executors/test_instances.py::*", "tests/faults/test_instances.py::*"),
    "16.5 shares": ("tests/running/test_instances.py::test_half_of_the_data_each",),
    "16.5 the guide's example": (
        "tests/running/test_instances.py::test_the_guides_example_with_two_instances_runs",
    ),
}
"""Worked examples and statements, by section of docs/behaviour.md."""
