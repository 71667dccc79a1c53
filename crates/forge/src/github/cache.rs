//! Answers by route with their `ETag`: what has not changed is not sent again and costs nothing of the limit.
//!
//! octocrab's own cache is not used: it keeps answers that were cut on their way, and refusals.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

/// The most that is kept, in bytes of bodies.
const ROOM: usize = 8 << 20;

/// A whole answer to a read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page {
    /// GitHub's name for this content.
    pub(super) etag: String,
    /// The body.
    pub(super) body: String,
    /// The route of the next page.
    pub(super) next: Option<String>,
}

/// Pages by route. The oldest ones go when there is no more room.
#[derive(Debug, Default)]
pub(super) struct Cache(Mutex<Shelf>);

#[derive(Debug, Default)]
struct Shelf {
    pages: HashMap<String, Arc<Page>>,
    order: VecDeque<String>,
    size: usize,
}

impl Cache {
    /// The page of that route.
    pub(super) fn get(&self, route: &str) -> Option<Arc<Page>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pages.get(route).cloned()
    }

    /// Keeps a page, in place of an older one of the same route.
    pub(super) fn put(&self, route: &str, page: Arc<Page>) {
        let mut shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shelf.size += page.body.len();
        match shelf.pages.insert(route.to_owned(), page) {
            Some(old) => shelf.size -= old.body.len(),
            None => shelf.order.push_back(route.to_owned()),
        }
        while shelf.size > ROOM {
            let Some(oldest) = shelf.order.pop_front() else { break };
            if let Some(gone) = shelf.pages.remove(&oldest) {
                shelf.size -= gone.body.len();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(etag: &str, size: usize) -> Arc<Page> {
        Arc::new(Page { etag: etag.to_owned(), body: "a".repeat(size), next: None })
    }

    #[test]
    fn the_newest_page_of_a_route_is_kept() {
        let cache = Cache::default();
        assert_eq!(cache.get("/a"), None);
        cache.put("/a", page("1", 10));
        cache.put("/a", page("2", 20));
        assert_eq!(cache.get("/a"), Some(page("2", 20)));
    }

    #[test]
    fn the_oldest_pages_make_room() {
        let cache = Cache::default();
        for n in 0..5 {
            cache.put(&format!("/{n}"), page("x", ROOM / 4));
        }
        let kept: Vec<bool> = (0..5).map(|n| cache.get(&format!("/{n}")).is_some()).collect();
        assert_eq!(kept, [false, true, true, true, true]);
        cache.put("/huge", page("x", ROOM + 1));
        assert!((0..5).all(|n| cache.get(&format!("/{n}")).is_none()) && cache.get("/huge").is_none());
    }
}
