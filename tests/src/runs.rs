//! Many runs without carrying them out: copies of one that was.

use miyabi_core::event::{EventBody, RunStarted};
use miyabi_core::ids::RunId;
use miyabi_core::ports::{NewRun, RunFilter, Store};
use miyabi_store::SqliteStore;

use crate::env::TestEnv;

/// Writes the newest run, which has ended, into the log so many times more, each begun as `change` says.
pub fn copies(env: &TestEnv, times: usize, change: impl Fn(&mut RunStarted)) {
    let runtime = tokio::runtime::Runtime::new().expect("threads can be started");
    runtime.block_on(async {
        let store = SqliteStore::open(env.repo().join(".miyabi/miyabi.db")).expect("the log is there");
        let first = store.runs(&RunFilter::default()).await.expect("it can be read").remove(0);
        let events = store.load(&first.id, 0).await.expect("it can be read");
        let last = events.last().expect("it has begun");
        assert!(matches!(last.body, EventBody::RunFinished { .. }), "it has ended: {last:?}");
        let EventBody::RunStarted(started) = events[0].body.clone() else { panic!("{:?}", events[0]) };
        for n in 0..times {
            let id = RunId::new(format!("01999999-0000-7000-8000-{n:012}"));
            let mut new = NewRun { id: id.clone(), started: (*started).clone() };
            change(&mut new.started);
            store.create_run(&new, events[0].at).await.expect("no other such run lives");
            let mut rest = events[1..].to_vec();
            rest.iter_mut().for_each(|event| event.run = id.clone());
            store.append(1, &rest).await.expect("it is as it was");
        }
    });
}
