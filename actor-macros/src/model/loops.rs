//! The loops of a handler that is to be preemptible: a checkpoint at the start of each body, which every
//! iteration passes, by whatever `continue` it came.
//!
//! Only the handler's own code can wait: a closure, another future or a nested item is left as it is. What
//! is in a macro's brackets is no code yet, so its loops are not seen.

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::quote_spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{
    Block, Expr, ExprAsync, ExprClosure, ExprConst, ExprForLoop, ExprLoop, ExprRepeat, ExprWhile,
    GenericArgument, Item, Macro, Pat, Stmt, Type,
};

/// What was found in a body.
#[derive(Default)]
pub(crate) struct Loops {
    /// How many have a checkpoint now.
    pub(crate) checked: usize,
    /// The others, by the words that they begin with.
    pub(crate) beyond: Vec<(Span, Place)>,
}

/// Where a loop cannot have a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Closure,
    AsyncBlock,
    Item,
    /// A block that the compiler runs.
    Constant,
    Macro,
}

impl Loops {
    /// Puts a checkpoint into each loop of `block`.
    pub(crate) fn check(block: &mut Block) -> Loops {
        let mut visitor = Visitor { loops: Loops::default(), place: None };
        visitor.visit_block_mut(block);
        visitor.loops
    }
}

struct Visitor {
    loops: Loops,
    /// Where this is, if not in the handler's own code.
    place: Option<Place>,
}

impl Visitor {
    fn found(&mut self, word: Span, body: &mut Block) {
        if let Some(place) = self.place {
            self.loops.beyond.push((word, place));
            return;
        }
        self.loops.checked += 1;
        body.stmts.insert(0, checkpoint(word));
    }

    /// Visits what is in another place; what that holds in turn is in the outer one of the two.
    fn within(&mut self, place: Place, visit: impl FnOnce(&mut Self)) {
        let outer = self.place;
        self.place = outer.or(Some(place));
        visit(self);
        self.place = outer;
    }
}

/// Errors in it stand where the loop's word does.
fn checkpoint(word: Span) -> Stmt {
    let span = word.resolved_at(Span::mixed_site());
    Stmt::Expr(Expr::Verbatim(quote_spanned!(span=> ::actor_core::__private::checkpoint().await;)), None)
}

impl VisitMut for Visitor {
    fn visit_expr_loop_mut(&mut self, expr: &mut ExprLoop) {
        visit_mut::visit_expr_loop_mut(self, expr);
        self.found(expr.loop_token.span, &mut expr.body);
    }

    fn visit_expr_while_mut(&mut self, expr: &mut ExprWhile) {
        visit_mut::visit_expr_while_mut(self, expr);
        self.found(expr.while_token.span, &mut expr.body);
    }

    fn visit_expr_for_loop_mut(&mut self, expr: &mut ExprForLoop) {
        visit_mut::visit_expr_for_loop_mut(self, expr);
        self.found(expr.for_token.span, &mut expr.body);
    }

    fn visit_expr_closure_mut(&mut self, expr: &mut ExprClosure) {
        self.within(Place::Closure, |this| visit_mut::visit_expr_closure_mut(this, expr));
    }

    fn visit_expr_async_mut(&mut self, expr: &mut ExprAsync) {
        self.within(Place::AsyncBlock, |this| visit_mut::visit_expr_async_mut(this, expr));
    }

    fn visit_item_mut(&mut self, item: &mut Item) {
        self.within(Place::Item, |this| visit_mut::visit_item_mut(this, item));
    }

    fn visit_expr_const_mut(&mut self, expr: &mut ExprConst) {
        self.within(Place::Constant, |this| visit_mut::visit_expr_const_mut(this, expr));
    }

    fn visit_expr_repeat_mut(&mut self, expr: &mut ExprRepeat) {
        self.visit_expr_mut(&mut expr.expr);
        self.within(Place::Constant, |this| this.visit_expr_mut(&mut expr.len));
    }

    fn visit_type_mut(&mut self, ty: &mut Type) {
        self.within(Place::Constant, |this| visit_mut::visit_type_mut(this, ty));
    }

    fn visit_generic_argument_mut(&mut self, argument: &mut GenericArgument) {
        self.within(Place::Constant, |this| visit_mut::visit_generic_argument_mut(this, argument));
    }

    fn visit_pat_mut(&mut self, pat: &mut Pat) {
        self.within(Place::Constant, |this| visit_mut::visit_pat_mut(this, pat));
    }

    fn visit_macro_mut(&mut self, call: &mut Macro) {
        let place = self.place.unwrap_or(Place::Macro);
        self.loops.beyond.extend(words(&call.tokens).map(|word| (word, place)));
    }
}

/// What looks like the first word of a loop.
fn words(tokens: &TokenStream) -> impl Iterator<Item = Span> + use<> {
    let mut found = Vec::new();
    collect(tokens.clone(), &mut found);
    found.into_iter()
}

fn collect(tokens: TokenStream, found: &mut Vec<Span>) {
    let is_loop = |word: &Ident| word == "loop" || word == "while" || word == "for";
    for token in tokens {
        match token {
            TokenTree::Group(group) => collect(Group::stream(&group), found),
            TokenTree::Ident(word) if is_loop(&word) => found.push(word.span()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::ToTokens;
    use syn::parse_quote;

    fn checked(mut block: Block) -> (String, Vec<Place>) {
        let loops = Loops::check(&mut block);
        let text = block.to_token_stream().to_string();
        let checkpoints = text.matches("checkpoint").count();
        assert_eq!(loops.checked, checkpoints, "in {text}");
        (text, loops.beyond.into_iter().map(|(_, place)| place).collect())
    }

    #[test]
    fn each_kind_of_loop_begins_with_a_checkpoint() {
        let (text, beyond) = checked(parse_quote!({
            while a() {
                b();
            }
            while let Some(x) = c() {}
            'l: loop {
                for _ in 0..3 {
                    continue 'l;
                }
            }
        }));
        assert!(beyond.is_empty());
        let checkpoint = ":: actor_core :: __private :: checkpoint () . await ;";
        assert!(text.contains(&format!("while a () {{ {checkpoint} b () ; }}")), "{text}");
        assert!(text.contains(&format!("= c () {{ {checkpoint} }}")), "{text}");
        assert!(
            text.contains(&format!(
                "'l : loop {{ {checkpoint} for _ in 0 .. 3 {{ {checkpoint} continue 'l ; }} }}"
            )),
            "{text}"
        );
    }

    #[test]
    fn loops_are_found_in_conditions_arms_and_blocks() {
        let (text, _) = checked(parse_quote!({
            let x = match (loop {
                break 1;
            }) {
                1 => unsafe { while a() {} },
                _ => if { for _ in b {} } == () {},
            };
            let [y, _] = [{ loop {} }; 2] else { loop {} };
        }));
        assert_eq!(text.matches("checkpoint").count(), 5);
    }

    #[test]
    fn code_that_cannot_wait_is_left_as_it_is() {
        let (_, beyond) = checked(parse_quote!({
            let f = || loop {};
            let g = async {
                while a() {
                    (|| loop {})()
                }
            };
            fn h() {
                loop {}
            }
            let n = const { loop {} };
            let z: [u8; { loop {} }] = [0; { loop {} }];
            select!(x => { loop { for _ in y {} } });
        }));
        use Place::*;
        assert_eq!(
            beyond,
            [Closure, AsyncBlock, AsyncBlock, Item, Constant, Constant, Constant, Macro, Macro]
        );
    }

    #[test]
    fn inner_attributes_stay_in_front() {
        let (text, _) = checked(syn::parse_str("{ loop { #![allow(unused)] a() } }").unwrap());
        assert!(text.contains("{ # ! [allow (unused)] :: actor_core"), "{text}");
    }
}
