//! A running plan grows: new steps join it without making a circle.

use std::collections::{HashMap, HashSet};

use super::{Phase, Run, StepState};
use crate::plan::{self, Extension, Problem, Step, Work};
use crate::session::Adapter;

impl Run {
    /// Adds the steps of an extension. `by` is the step whose end made it necessary; none for the flow itself.
    ///
    /// New steps may need each other and steps that have started; a step that has started needs nothing that is
    /// still to come, so the graph stays acyclic. An extension that cannot be taken changes nothing.
    pub(super) fn extend(&mut self, extension: &Extension, by: Option<usize>) -> Result<(), String> {
        self.check_extension(extension, by)?;
        let first = self.steps.len();
        for step in &extension.steps {
            self.index.insert(step.id.clone(), self.steps.len());
            if let Some(key) = &step.output_key {
                self.output_keys.insert(key.clone(), self.steps.len());
            }
            let is_looked_up = self.is_looked_up(step);
            self.steps.push(StepState { is_looked_up, ..StepState::new(step.clone()) });
        }
        self.unfinished += extension.steps.len();
        if let Some((old, new)) = &extension.supersedes {
            self.rewire(self.index[old], self.index[new]);
        }
        for (step, needs) in &extension.joins {
            let ix = self.index[step];
            self.steps[ix].step.needs.extend(needs.iter().cloned());
            for need in needs {
                self.depend(ix, self.index[need]);
            }
            self.ready.light.remove(&ix);
            self.ready.heavy.remove(&ix);
            self.ready.lane.remove(&ix);
            if self.steps[ix].open_needs == 0 {
                self.make_ready(ix);
            }
        }
        for ix in first..self.steps.len() {
            for need in self.steps[ix].step.needs.clone() {
                self.depend(ix, self.index[&need]);
            }
            if self.steps[ix].open_needs == 0 {
                self.make_ready(ix);
            }
        }
        Ok(())
    }

    /// Whether nobody works for the step: what is looked up is its answer.
    fn is_looked_up(&self, step: &Step) -> bool {
        let Work::Agent(work) = &step.work else { return false };
        let own = self.started.cast.agents.get(&work.agent).and_then(|brief| brief.adapter.as_ref());
        *own.unwrap_or(&self.started.adapter) == Adapter::Facts
    }

    fn depend(&mut self, ix: usize, need: usize) {
        if !matches!(self.steps[need].phase, Phase::Ended(_)) {
            self.steps[need].dependants.push(ix);
            self.steps[ix].open_needs += 1;
        }
    }

    /// Those that waited for `old` now wait for `new`.
    fn rewire(&mut self, old: usize, new: usize) {
        let dependants = std::mem::take(&mut self.steps[old].dependants);
        let (old_id, new_id) = (self.steps[old].step.id.clone(), self.steps[new].step.id.clone());
        for &dependant in &dependants {
            for need in &mut self.steps[dependant].step.needs {
                if *need == old_id {
                    *need = new_id.clone();
                }
            }
        }
        self.steps[new].dependants.extend(dependants);
        self.steps[old].superseded_by = Some(new_id);
    }

    fn check_extension(&self, extension: &Extension, by: Option<usize>) -> Result<(), String> {
        let new: HashSet<_> = extension.steps.iter().map(|step| &step.id).collect();
        if let Some(step) = extension.steps.iter().find(|step| self.index.contains_key(&step.id)) {
            return Err(format!("step `{}` is in the plan already", step.id));
        }
        for step in &extension.steps {
            for need in step.needs.iter().filter(|need| !new.contains(need)) {
                let queued = match self.index.get(need) {
                    None => return Err(format!("step `{}` needs unknown step `{need}`", step.id)),
                    Some(&ix) => self.steps[ix].phase == Phase::Queued && Some(ix) != by,
                };
                if queued {
                    return Err(format!("new step `{}` needs step `{need}`, which has not started", step.id));
                }
            }
        }
        for (step, needs) in &extension.joins {
            let ix = self.known(step)?;
            if self.steps[ix].phase != Phase::Queued || self.steps[ix].attempt > 0 {
                return Err(format!("step `{step}` has started and takes no further needs"));
            }
            if let Some(need) = needs.iter().find(|need| !new.contains(need)) {
                return Err(format!("step `{step}` can only be joined by new steps, not by `{need}`"));
            }
        }
        if let Some((old, replacement)) = &extension.supersedes {
            let ix = self.known(old)?;
            if self.steps[ix].phase != Phase::Judging {
                return Err(format!("step `{old}` is {} and cannot be superseded", self.steps[ix].status()));
            }
            if !new.contains(replacement) {
                return Err(format!(
                    "step `{old}` can only be superseded by a new step, not by `{replacement}`"
                ));
            }
        }
        // Needs on older steps cannot close a circle, so only the new ones are looked at.
        let names: HashMap<_, _> = extension.steps.iter().map(|step| (&step.id, ())).collect();
        let nodes: Vec<_> = extension
            .steps
            .iter()
            .map(|step| {
                let needs = step.needs.iter().filter(|need| names.contains_key(need));
                (step.id.as_str(), needs.map(|need| need.as_str()).collect::<Vec<_>>())
            })
            .collect();
        match plan::check(&nodes).first() {
            None => Ok(()),
            Some(Problem::Duplicate { node }) => Err(format!("step `{}` is there twice", nodes[*node].0)),
            Some(Problem::Unknown { node, need }) => {
                Err(format!("step `{}` needs unknown step `{}`", nodes[*node].0, nodes[*node].1[*need]))
            }
            Some(Problem::Cycle { path }) => {
                let path: Vec<_> = path.iter().map(|&node| nodes[node].0).collect();
                Err(format!("steps need each other in a circle: {}", path.join(" → ")))
            }
        }
    }
}
