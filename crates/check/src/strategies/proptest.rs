//! [`Matrices`] as a strategy: recipes that shrink. What is simpler than what is known in `simpler`.

use super::{Matrices, Recipe};
use ::proptest::prelude::any;
use ::proptest::strategy::{NewTree, Strategy, ValueTree};
use ::proptest::test_runner::TestRunner;

/// A recipe on its way to a simpler one.
#[derive(Debug, Clone)]
pub struct Shrinking {
    from: Matrices,
    /// The simplest that failed.
    failed: Recipe,
    /// What is being tried.
    tried: Recipe,
    /// What is left to try, boldest last.
    left: Vec<Recipe>,
}

impl Shrinking {
    fn next(&mut self) -> bool {
        let next = self.left.pop();
        let more = next.is_some();
        self.tried = next.unwrap_or_else(|| self.failed.clone());
        more
    }
}

impl ValueTree for Shrinking {
    type Value = Recipe;

    fn current(&self) -> Recipe {
        self.tried.clone()
    }

    fn simplify(&mut self) -> bool {
        self.failed = self.tried.clone();
        self.left = self.from.simpler(&self.failed);
        self.left.reverse();
        self.next()
    }

    fn complicate(&mut self) -> bool {
        self.next()
    }
}

impl Strategy for Matrices {
    type Tree = Shrinking;
    type Value = Recipe;

    fn new_tree(&self, runner: &mut TestRunner) -> NewTree<Self> {
        let recipe = self.draw(any::<u64>().new_tree(runner)?.current());
        Ok(Shrinking { from: self.clone(), failed: recipe.clone(), tried: recipe, left: vec![] })
    }
}
