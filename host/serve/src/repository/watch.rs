//! Looks at the folder now and then, and follows what changes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::Repository;

/// Follows the folder for ever; ends when the future is dropped.
pub(crate) async fn watch(repository: Arc<Repository>, interval: Duration) {
    let mut before = BTreeMap::new();
    loop {
        tokio::time::sleep(interval).await;
        let repository = Arc::clone(&repository);
        // Loading takes its time and would hold up the server's own threads.
        let followed = tokio::task::spawn_blocking(move || {
            if let Err(error) = repository.follow(&mut before) {
                tracing::error!(%error, "the repository cannot be read");
            }
            before
        });
        match followed.await {
            Ok(seen) => before = seen,
            Err(error) => {
                tracing::error!(%error, "loading has failed badly");
                before = BTreeMap::new();
            }
        }
    }
}
