//! The operations (*words*) of a manifold as methods of its type: `gr.retract(x, v)` for values, `gr.dist(&x, &y)?` for
//! numbers.

/// Defines the operations of geometry (`retract`, `exp`, `dist`, ...; here called *words*) as methods of a type that
/// implements [`Manifold`](crate::Manifold) for every scalar.
///
/// Each takes a [`Place`](crate::Place). Given a [`Var`](pullback::Var), or a tuple or list of them where a point
/// consists of several matrices, it returns the same. Given a reference to a matrix, a batch or a tuple of those, it
/// checks the numbers and returns a [`Result`](crate::Result). On values, an operation that the manifold does not have
/// panics at the caller's line, like shapes that do not fit; on numbers it is
/// [`Error::Missing`](crate::Error::Missing).
///
/// `random` returns one point: `let x: Mat<f64> = gr.random(&mut rng(1))`.
///
/// A type with parameters names them first: `words!([M] Power<M>)`.
#[macro_export]
macro_rules! words {
    ([$($g:tt)*] $M:ty) => {
        impl<$($g)*> $M {
            $crate::words! { @number
                /// `<u, v>_x`, one number for each member.
                inner(x: Point, u: Tangent, v: Tangent);
                /// `sqrt <u, u>_x`, one number for each member. Not differentiable at 0.
                norm(x: Point, u: Tangent);
            }
            $crate::words! { @place
                /// The tangent at `x` nearest to the ambient vector `u`.
                project(x: Point, u: Ambient);
                /// A point reached from `x` along the tangent `v`.
                retract(x: Point, v: Tangent);
                /// Transports the tangent `u` at `x` to the point `y`.
                transport(x: Point, y: Point, u: Tangent);
                /// The point near `x` that is on the manifold to rounding.
                reproject(x: Ambient);
            }
            $crate::words! { @maybe_place
                /// The tangent at `x` whose retraction is `y`.
                inverse_retract(x: Point, y: Point);
                /// The point at time 1 of the geodesic from `x` with velocity `v`.
                exp(x: Point, v: Tangent);
                /// The velocity at `x` of the shortest geodesic to `y`. Fails at the cut locus.
                log(x: Point, y: Point);
                /// The parallel transport of the tangent `u` at `x` to `y` along the shortest geodesic.
                parallel_transport(x: Point, y: Point, u: Tangent);
                /// The curvature tensor `R(u, v) w`.
                curvature(x: Point, u: Tangent, v: Tangent, w: Tangent);
            }
            $crate::words! { @maybe_number
                /// The geodesic distance, one number for each member. Not differentiable where the points are equal.
                dist(x: Point, y: Point);
                /// Its square, smooth where the points are equal.
                dist2(x: Point, y: Point);
            }

            /// The Riemannian gradient from the Euclidean one.
            #[track_caller]
            pub fn egrad_to_rgrad<P: $crate::Place>(&self, x: P, g: $crate::Egrad<P>) -> P::Out<$crate::Rgrad<P::Owned>>
            where
                Self: $crate::Manifold<P::Scalar>,
            {
                use $crate::Role::{Ambient, Point};
                let args = [(Point, &x), (Ambient, &g.0)];
                let found = P::place(self, "egrad_to_rgrad", &args, &mut |l| {
                    Some($crate::Manifold::egrad_to_rgrad(self, &l[0], $crate::Egrad(&l[1])).0)
                });
                P::wrap(found, $crate::Rgrad)
            }

            /// The Riemannian Hessian applied to the tangent `u`, from the Euclidean gradient and the Euclidean Hessian
            /// applied to `u`.
            #[track_caller]
            pub fn ehess_to_rhess<P: $crate::Place>(&self, x: P, g: $crate::Egrad<P>, h: P, u: P) -> P::Out<P::Owned>
            where
                Self: $crate::Manifold<P::Scalar>,
            {
                use $crate::Role::{Ambient, Point, Tangent};
                let args = [(Point, &x), (Ambient, &g.0), (Ambient, &h), (Tangent, &u)];
                P::place(self, "ehess_to_rhess", &args, &mut |l| {
                    Some($crate::Manifold::ehess_to_rhess(self, &l[0], $crate::Egrad(&l[1]), &l[2], &l[3]))
                })
            }

            /// A random point, as the type that the caller names: a matrix or a batch where a point is one matrix; a
            /// tuple or list of them where it consists of several. `random_point` returns many points.
            #[track_caller]
            pub fn random<P: $crate::Plain>(&self, rng: &mut dyn $crate::rand::Rng) -> P
            where
                Self: $crate::Manifold<P::Scalar>,
            {
                $crate::random(self, rng)
            }

            /// The point at time `t` of the shortest geodesic from `x` to `y`: `exp(x, t log(x, y))`.
            #[track_caller]
            pub fn geodesic<P: $crate::Place>(&self, x: P, y: P, t: f64) -> P::Out<P::Owned>
            where
                Self: $crate::Manifold<P::Scalar>,
            {
                use $crate::Role::Point;
                P::place(self, "geodesic", &[(Point, &x), (Point, &y)], &mut |l| $crate::geodesic(self, &l[0], &l[1], t))
            }
        }
    };
    ($M:ty) => {
        $crate::words! { [] $M }
    };
    (@number $($(#[$doc:meta])* $word:ident($($arg:ident: $Role:ident),*);)*) => {
        $crate::words! { @each number Number, $($(#[$doc])* $word($($arg: $Role),*) |found| Some([found].into_iter().collect());)* }
    };
    (@maybe_number $($(#[$doc:meta])* $word:ident($($arg:ident: $Role:ident),*);)*) => {
        $crate::words! { @each number Number, $($(#[$doc])* $word($($arg: $Role),*) |found| found.map(|v| [v].into_iter().collect());)* }
    };
    (@place $($(#[$doc:meta])* $word:ident($($arg:ident: $Role:ident),*);)*) => {
        $crate::words! { @each place Owned, $($(#[$doc])* $word($($arg: $Role),*) |found| Some(found);)* }
    };
    (@maybe_place $($(#[$doc:meta])* $word:ident($($arg:ident: $Role:ident),*);)*) => {
        $crate::words! { @each place Owned, $($(#[$doc])* $word($($arg: $Role),*) |found| found;)* }
    };
    (@each $run:ident $Answer:ident, $($(#[$doc:meta])* $word:ident($($arg:ident: $Role:ident),*) |$found:ident| $answer:expr;)*) => {$(
        $(#[$doc])*
        #[track_caller]
        pub fn $word<P: $crate::Place>(&self, $($arg: P),*) -> P::Out<P::$Answer>
        where
            Self: $crate::Manifold<P::Scalar>,
        {
            P::$run(self, stringify!($word), &[$(($crate::Role::$Role, &$arg)),*], &mut |l| {
                let mut l = l.iter();
                $(let $arg = l.next()?;)*
                let $found = $crate::Manifold::$word(self, $($arg),*);
                $answer
            })
        }
    )*};
}
