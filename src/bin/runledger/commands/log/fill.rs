//! Fills the record of `runledger log`. Each kind of record has different fields.

use runledger::metrics::{CostTier, Kind, Routing};
use runledger::{ExecutionMetrics, Timestamp};

use super::args::Args;
use crate::failure::Failure;
use crate::global::Global;
use crate::record_fields::price;

/// Writes the arguments into `record`. If they describe a call of a model, `at` is the time of the call.
pub(super) fn fill(record: &mut ExecutionMetrics, args: &Args, at: Timestamp, global: &Global) -> Result<(), Failure> {
    record.kind = args.kind.clone();
    record.cost.estimated_usd = args.estimate;
    args.fields.apply_without_call(record);
    match args.kind {
        Kind::ModelRouting => fill_routing(record, args, at, global)?,
        Kind::BudgetGate => {
            let decision = args.decision.as_deref().unwrap_or_default();
            record.decide("budget", decision, args.reason.clone());
        }
        _ => {
            args.fields.apply_call(record, at);
            price(record, &args.own, global)?;
        }
    }
    let production = &mut record.production;
    production.shot_type.clone_from(&args.shot_type);
    production.duration_s = args.duration;
    production.qc_violations.clone_from(&args.violations);
    production.drift_category.clone_from(&args.drift);
    Ok(())
}

/// Writes the decision of a model router into `record`. The tokens are an estimate, so they are not part of the usage.
fn fill_routing(record: &mut ExecutionMetrics, args: &Args, at: Timestamp, global: &Global) -> Result<(), Failure> {
    // The call is only expected, so it is not added to `record`. A temporary record gets the call, to compute its
    // price.
    let mut expected = ExecutionMetrics::new(record.execution_id, "", "", at);
    args.fields.apply_call(&mut expected, at);
    if args.estimate.is_none() && args.fields.usage.is_some() {
        price(&mut expected, &args.own, global)?;
        record.cost.estimated_usd = expected.cost.exact_usd.or(expected.cost_usd);
    }
    let tier = expected.cost_tier.filter(|tier| *tier != CostTier::Unknown).map(|tier| tier.to_string());
    let mut routing = Routing::new(args.fields.model.clone().unwrap_or_default(), tier.clone().unwrap_or_default());
    routing.reason.clone_from(&args.reason);
    routing.fill(record);
    (record.model.tier, record.model.provider) = (tier, args.fields.provider.clone());
    Ok(())
}
